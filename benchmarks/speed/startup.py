"""How long a person waits: for help, for the first optimizer step, for a server that answers.

    python -m benchmarks.speed.startup run EXPORT [--rounds 5]
    python -m benchmarks.speed.startup table      the table of docs/speed.md

EXPORT is a folder of `tagnet export --to onnx`. Commands as users type them, one after the other in every round, each
in a process of its own; the first round warms the disk's cache and is not kept. The first step is the quickstart's
(`tagnet train` with its defaults): of texts that a run before began with, and with an empty cache of their embeddings.
A round takes about half a minute.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.quality.runs import has_result, keep, read_results, show, with_table_command
from benchmarks.serving.process import running
from tagnet.evaluation.table_parts import new_table

NAME = "startup"
RESULTS = Path(__file__).parent / "results"
WORDS = {
    "help": "tagnet --help",
    "first_step": "tagnet train, to the first optimizer step",
    "first_step_of_new_texts": "the same, on texts that no run on this machine began with",
    "server": "tagnet serve, until it listens",
}
_COMMAND = (sys.executable, "-m", "tagnet.cli.start")
_FIRST_STEP_DONE = 77
_UNTIL_FIRST_STEP = f"""
import importlib.util, os, sys

class Clock:
    def find_spec(self, name, path, target=None):
        if name != "tagnet.training.callbacks":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module
        def exec_module(module):
            run(module)
            module.MetricsLog.on_train_batch_end = lambda *_: os._exit({_FIRST_STEP_DONE})
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Clock())
from tagnet.cli.start import main
main()
"""
"""`tagnet`, which imports what it imports, but that the process ends where the first step is noted."""


def _environment() -> dict[str, str]:
    """As a user has it: modules are compiled once and not at every start."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def without_cache(empty: str) -> dict[str, str]:
    """The same, but that runs before have left nothing; matplotlib's fonts, which are no part of it, stay."""
    fonts = str(Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "matplotlib")
    return {"MPLCONFIGDIR": fonts} | _environment() | {"XDG_CACHE_HOME": empty}


def help_seconds() -> float:
    """Seconds of `tagnet --help`."""
    start = time.perf_counter()
    subprocess.run([*_COMMAND, "--help"], stdout=subprocess.DEVNULL, check=True, env=_environment())
    return time.perf_counter() - start


def first_step_seconds(*, new_texts: bool = False) -> float:
    """Seconds from the command to the end of the first optimizer step."""
    with tempfile.TemporaryDirectory() as folder:
        environment = without_cache(folder) if new_texts else _environment()
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _UNTIL_FIRST_STEP, "train", f"run.dir={folder}/run"],
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=environment,
        )
        seconds = time.perf_counter() - start
    if done.returncode != _FIRST_STEP_DONE:
        sys.exit(f"tagnet train ended before its first step:\n{done.stderr[-2000:]}")
    return seconds


def server_seconds(export: Path) -> float:
    """Seconds until a server says where it listens."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with running(export, Path(folder) / "log"):
            return time.perf_counter() - start


def run(export: Path, rounds: int) -> None:
    """Run what is missing."""
    for number in range(-1, rounds):
        if number >= 0 and has_result(NAME, RESULTS, round=number):
            continue
        entry = {
            "round": number,
            "help": help_seconds(),
            "first_step": first_step_seconds(),
            "first_step_of_new_texts": first_step_seconds(new_texts=True),
            "server": server_seconds(export),
        }
        print(entry, file=sys.stderr, flush=True)
        if number >= 0:
            keep(NAME, entry, ("round",), RESULTS)


def table(*, markdown: bool) -> None:
    """Medians and spread."""
    results = read_results(NAME, RESULTS)
    shown = new_table()
    for column in ("from the command", "seconds, median", "least to greatest"):
        shown.add_column(column)
    for name, words in WORDS.items():
        found = [each[name] for each in results]
        shown.add_row(words, f"{median(found):.2f}", f"{min(found):.2f} to {max(found):.2f}")
    show("Start-up", shown, f"{len(results)} rounds, after one that is not counted.", markdown=markdown)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running_command = commands.add_parser("run", help="run what is missing")
    running_command.add_argument("export", type=Path)
    running_command.add_argument("--rounds", type=int, default=5)
    with_table_command(commands)
    given = parser.parse_args()
    if given.command == "run":
        run(given.export, given.rounds)
    table(markdown=given.command == "table" and given.markdown)


if __name__ == "__main__":
    main()
