"""Processes that would outlive the one that started them."""

from __future__ import annotations

import os
import signal
import sys


def die_with_parent() -> None:
    """Ask the kernel for a SIGTERM when this process's parent dies, so that a killed sweep leaves nothing running."""
    if sys.platform == "linux":
        import ctypes

        parent = os.getppid()
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            raise SystemExit(128 + signal.SIGTERM)
