"""Trainings of a benchmark, one after the other, and what came of them as JSON: finished ones are never run again."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tagnet.atomic import write_json
from tagnet.evaluation.table_parts import titled

AVERAGES = ("ema", "swa")
"""Words that stand for a way of averaging weights, see `averaging`; all others are those of tagnet train."""
RESULTS = Path(__file__).parent / "results"


def trained(words: Sequence[str], folder: Path) -> tuple[dict[str, Any], float | None]:
    """A finished run's metrics.json, and the seconds that it took; None where it was finished before."""
    seconds = None
    if not (folder / "metrics.json").is_file():
        started = time.monotonic()
        print(f"{folder}: tagnet train {' '.join(words)}", file=sys.stderr, flush=True)
        program = ["tagnet.cli.main", "train"]
        if any(word in AVERAGES for word in words):
            program = ["benchmarks.quality.averaging", *(word for word in words if word in AVERAGES)]
        settings = [word for word in words if word not in AVERAGES]
        subprocess.run([sys.executable, "-m", *program, *settings, f"run.dir={folder}"], check=True)
        seconds = round(time.monotonic() - started, 1)
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8")), seconds


def values(side: dict[str, Any]) -> dict[str, float]:
    """Metric → value, of one side of a metrics.json."""
    return {name: estimate["value"] for name, estimate in side.items()}


def intervals(side: dict[str, Any]) -> dict[str, list[float]]:
    """Metric → bounds of its interval."""
    return {name: [estimate["low"], estimate["high"]] for name, estimate in side.items()}


def read_results(name: str, folder: Path = RESULTS) -> list[dict[str, Any]]:
    """All results of a benchmark so far."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []


def has_result(name: str, folder: Path = RESULTS, **place: str | int) -> bool:
    """Whether a benchmark has a result with these keys."""
    return any(all(each[key] == value for key, value in place.items()) for each in read_results(name, folder))


def keep(name: str, entry: dict[str, Any], keys: Sequence[str], folder: Path = RESULTS) -> None:
    """Write a result down; one with the same keys is replaced, but for the seconds that only its first run knows."""
    results = read_results(name, folder)
    place = [each[key] for key in keys for each in [entry]]
    for each in results:
        if [each[key] for key in keys] == place and entry.get("seconds") is None:
            entry = {**entry, "seconds": each.get("seconds")}
    others = [each for each in results if [each[key] for key in keys] != place]
    write_json(folder / f"{name}.json", sorted([*others, entry], key=lambda each: [str(each[key]) for key in keys]))


def show(title: str, table: Table, note: str, *, markdown: bool) -> None:
    """Print a table for a terminal, or as Markdown for the docs."""
    if not markdown:
        wide = None if sys.stdout.isatty() else 160
        Console(highlight=False, width=wide).print(titled(title, table, note))
        return
    columns = [[str(cell).replace("\n", "<br>") for cell in column.cells] for column in table.columns]
    heads = [str(column.header) for column in table.columns]
    rows = [heads, ["---"] * len(heads), *zip(*columns, strict=True)]
    print("\n".join(f"| {' | '.join(row)} |" for row in rows) + f"\n\n{note}")


def with_table_command(commands: Any) -> None:
    """Add the command that prints the results so far."""
    table = commands.add_parser("table", help="print the results so far")
    table.add_argument("--markdown", action="store_true", help="as it stands in docs/quality.md")
