"""The study behind the recipes: fine-tunes of MadeWithML's protocol B, inside its train and validation records.

  python -m benchmarks.quality.study run                     one pair of each arm, the screening
  python -m benchmarks.quality.study run --pairs 5 --arms base "loss: asl"
  python -m benchmarks.quality.study table                   the table of docs/quality.md

A pair is a seed with a fold of its own: pair p trains with run.seed=p and tests on fold p of five, cut of train and
validation; the published test records are on no side. Finished runs are kept and not run again, so that a study that
was stopped goes on; every result is written to results/study.json at once. TAGNET_DATA names the data.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.quality.arms import ARMS, BASE
from tagnet.atomic import write_json
from tagnet.evaluation.repeats import mean_of_repeats
from tagnet.evaluation.table_parts import new_table, titled

RESULTS = Path(__file__).parent / "results" / "study.json"
FOLDS = 5
TEST_TO_TRAIN = (1 / FOLDS) / (1 - 1 / FOLDS - 0.15)
"""Records of a fold by those trained on, of which 15% validate."""
METRICS = {"f1_weighted": "weighted F1", "f1_macro": "macro F1", "map": "mAP", "ece": "ECE"}
RECIPE = (
    "experiment=madewithml_b",
    "split=kfold",
    f"split.folds={FOLDS}",
    "logger=none",
    "trainer.precision=bf16-mixed",
    "evaluation.bootstrap_samples=50",
)


def run(arms: Sequence[str], pairs: int, work: Path) -> None:
    """Train what is missing, pair by pair, so that all arms have as many."""
    for pair in range(pairs):
        for arm in arms:
            folder = work / "".join(c if c.isalnum() else "-" for c in arm) / f"{pair}"
            if find(read_results(), arm, pair) and (folder / "metrics.json").is_file():
                continue
            words = [*RECIPE, *ARMS[arm], f"split.fold={pair % FOLDS}", f"run.seed={pair}", f"run.dir={folder}"]
            print(f"pair {pair}, {arm}", file=sys.stderr, flush=True)
            started = time.monotonic()
            if not (folder / "metrics.json").is_file():
                subprocess.run([sys.executable, "-m", "tagnet.cli.main", "train", *words], check=True)
            keep(arm, pair, folder, round(time.monotonic() - started))


def keep(arm: str, pair: int, folder: Path, seconds: int) -> None:
    """Write one result down."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    entry = {
        "arm": arm,
        "pair": pair,
        "seconds": seconds,
        "test": {name: estimate["value"] for name, estimate in metrics["test"].items()},
        "baselines": {
            name: {metric: estimate["value"] for metric, estimate in sides["test"].items()}
            for name, sides in metrics["baselines"].items()
        },
    }
    others = [each for each in read_results() if (each["arm"], each["pair"]) != (arm, pair)]
    write_json(RESULTS, sorted([*others, entry], key=lambda each: (list(ARMS).index(each["arm"]), each["pair"])))


def read_results() -> list[dict[str, Any]]:
    """All results so far."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else []


def find(results: Sequence[dict[str, Any]], arm: str, pair: int) -> dict[str, Any] | None:
    """The result of an arm in a pair, or None."""
    return next((each for each in results if (each["arm"], each["pair"]) == (arm, pair)), None)


def table(console: Console) -> None:
    """Every arm against the base recipe, paired; intervals corrected for the records that the folds share."""
    results = read_results()
    shown = new_table()
    shown.add_column("arm", no_wrap=True)
    shown.add_column("pairs", justify="right")
    for name in METRICS.values():
        shown.add_column(name, justify="right", no_wrap=True)
    for arm in ARMS:
        pairs = [each["pair"] for each in results if each["arm"] == arm and find(results, BASE, each["pair"])]
        if not pairs:
            continue
        cells = []
        for metric in METRICS:
            mine, base = ([find(results, a, p)["test"][metric] for p in pairs] for a in (arm, BASE))  # type: ignore[index]
            if arm == BASE:
                cells.append(f"{sum(mine) / len(mine):.3f}")
                continue
            gap = mean_of_repeats([x - y for x, y in zip(mine, base, strict=True)], TEST_TO_TRAIN)
            interval = f" ({gap.low:+.3f} to {gap.high:+.3f})" if len(pairs) > 1 else ""
            cells.append(f"{gap.value:+.3f}{interval}")
        shown.add_row(arm, str(len(pairs)), *cells)
    note = (
        "Test folds inside train and validation. The first row: means; the others: differences from it, pair by pair."
    )
    console.print(titled("MadeWithML, protocol B", shown, note))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="train what is missing")
    running.add_argument("--arms", nargs="*", default=list(ARMS), choices=list(ARMS))
    running.add_argument("--pairs", type=int, default=1)
    running.add_argument("--work", type=Path, default=Path("runs/quality"))
    commands.add_parser("table", help="print the results so far")
    given = parser.parse_args()
    if given.command == "run":
        if not os.environ.get("TAGNET_DATA"):
            parser.error("set TAGNET_DATA to the folder with projects.json and tags.json")
        run(given.arms, given.pairs, given.work)
    table(Console(highlight=False, width=160 if not sys.stdout.isatty() else None))


if __name__ == "__main__":
    main()
