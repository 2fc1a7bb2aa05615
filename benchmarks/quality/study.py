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
import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks.quality.arms import ARMS, BASE
from benchmarks.quality.paired_table import gain
from benchmarks.quality.runs import has_result, keep, read_results, show, trained, values, with_table_command
from tagnet.evaluation.table_parts import new_table

NAME = "study"
FOLDS = 5
TEST_TO_TRAIN = (1 / FOLDS) / (1 - 1 / FOLDS - 0.15)
"""Records of a fold by those trained on, of which 15% validate."""
METRICS = {"f1_weighted": "weighted F1", "f1_macro": "macro F1", "map": "mAP", "ece": "ECE"}
RECIPE = (
    "experiment=madewithml_b",
    "split=kfold",
    f"split.folds={FOLDS}",
    "logger=none",
    "evaluation.baselines=[tfidf_svm]",
    "evaluation.bootstrap_samples=50",
)


def run(arms: Sequence[str], pairs: int, work: Path) -> None:
    """Train what is missing, pair by pair, so that all arms have as many."""
    for pair in range(pairs):
        for arm in arms:
            if has_result(NAME, arm=arm, pair=pair):
                continue
            folder = arm_folder(work, arm) / f"{pair}"
            words = [*RECIPE, *ARMS[arm], f"split.fold={pair % FOLDS}", f"run.seed={pair}"]
            metrics, seconds = trained(words, folder)
            baselines = {name: values(sides["test"]) for name, sides in metrics["baselines"].items()}
            entry = {"arm": arm, "pair": pair, "seconds": seconds, "test": values(metrics["test"])}
            keep(NAME, entry | {"baselines": baselines}, ("arm", "pair"))


def arm_folder(work: Path, arm: str) -> Path:
    """Where the runs of an arm are."""
    return work / "".join(c if c.isalnum() else "-" for c in arm)


def table(*, markdown: bool) -> None:
    """Every arm against the base recipe, paired; intervals corrected for the records that the folds share."""
    results = read_results(NAME)
    of = {(each["arm"], each["pair"]): each["test"] for each in results}
    shown = new_table()
    shown.add_column("arm", no_wrap=True)
    shown.add_column("pairs", justify="right")
    for name in METRICS.values():
        shown.add_column(name, justify="right", no_wrap=True)
    for arm in ARMS:
        pairs = [each["pair"] for each in results if each["arm"] == arm and (BASE, each["pair"]) in of]
        if not pairs:
            continue
        cells = []
        for metric in METRICS:
            if arm == BASE:
                cells.append(f"{sum(of[arm, p][metric] for p in pairs) / len(pairs):.3f}")
                continue
            cells.append(gain([of[arm, p][metric] - of[BASE, p][metric] for p in pairs], TEST_TO_TRAIN))
        shown.add_row(arm, str(len(pairs)), *cells)
    note = (
        "Test folds inside train and validation. The first row: means; the others: differences from it, pair by pair."
    )
    show("MadeWithML, protocol B", shown, note, markdown=markdown)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="train what is missing")
    running.add_argument("--arms", nargs="*", default=list(ARMS), choices=list(ARMS))
    running.add_argument("--pairs", type=int, default=1)
    running.add_argument("--work", type=Path, default=Path("runs/quality"))
    with_table_command(commands)
    given = parser.parse_args()
    if given.command == "run":
        if not os.environ.get("TAGNET_DATA"):
            parser.error("set TAGNET_DATA to the folder with projects.json and tags.json")
        run(given.arms, given.pairs, given.work)
    table(markdown=given.command == "table" and given.markdown)


if __name__ == "__main__":
    main()
