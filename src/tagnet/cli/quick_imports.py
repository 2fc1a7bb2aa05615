"""Import Lightning and what it brings in less time: for commands alone, whose process is tagnet's own."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_SIGNAL = "scipy.signal"


@contextmanager
def quick_imports() -> Iterator[None]:
    """Within, modules are imported without looking for garbage; what they made is never looked through again.

    Lightning brings torchmetrics, which reads `scipy.signal`, and with it most of SciPy, to mend a name there for a
    package that nobody here has. It finds a stand-in, which is gone afterwards.
    """
    collected = gc.isenabled()
    gc.disable()
    try:
        with _stand_in_for_signal():
            importlib.import_module("torchmetrics")
        yield
    finally:
        gc.freeze()
        if collected:
            gc.enable()


@contextmanager
def _stand_in_for_signal() -> Iterator[None]:
    if _SIGNAL in sys.modules:
        yield
        return
    stand_in = _Signal(_SIGNAL)
    sys.modules[_SIGNAL] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(_SIGNAL) is stand_in:
            del sys.modules[_SIGNAL]


class _Signal(ModuleType):
    """Has the name that is asked for; whoever asks for more gets SciPy's own module."""

    hamming = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(_SIGNAL) is self:
            del sys.modules[_SIGNAL]
        return getattr(importlib.import_module(_SIGNAL), name)
