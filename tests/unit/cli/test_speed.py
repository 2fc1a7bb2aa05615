"""How long a person waits before anything happens."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

TIMES = 3.0
TRIES = 8
COMMAND = ("-m", "tagnet.cli.start")
NO_COMMAND = ("-c", "import typer.rich_utils")
"""What any command line of typer and rich takes to start."""


def processor_seconds(words: tuple[str, ...]) -> float:
    """The processor time of a Python program."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], capture_output=True, check=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize(
    "words", [("--help",), ("--version",), ("train", "--help"), ("predict", "--help"), ("label", "--help")]
)
def test_help_comes_at_once(words: tuple[str, ...]) -> None:
    # Side by side, and the best of several: a machine that others use is slow for both.
    pairs = [(processor_seconds((*COMMAND, *words)), processor_seconds(NO_COMMAND)) for _ in range(TRIES)]
    command, typer = (min(times) for times in zip(*pairs, strict=True))
    assert command < TIMES * typer
