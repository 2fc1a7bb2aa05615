"""How long a person waits before anything happens."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

SECONDS = 0.3
TRIES = 8


def processor_seconds(words: tuple[str, ...]) -> float:
    """The processor time of a command, which does not grow when other tests run beside it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "tagnet.cli.main", *words], capture_output=True, check=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("train", "--help"), ("predict", "--help")])
def test_help_comes_at_once(words: tuple[str, ...]) -> None:
    # The best of several: caches that are cold, and processors that are shared, say nothing of the command.
    assert min(processor_seconds(words) for _ in range(TRIES)) < SECONDS
