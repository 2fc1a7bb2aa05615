"""The recipes on the published test sets: the mean of several seeds, beside what others have published.

  python -m benchmarks.quality.published run                        five seeds of A, B and C, three of GoEmotions
  python -m benchmarks.quality.published run --recipes madewithml_b --seeds 0 1
  python -m benchmarks.quality.published table                      the table of docs/quality.md

TAGNET_DATA names the data. Test records decide nothing: each recipe was settled before it was run here.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.quality.runs import has_result, intervals, keep, read_results, show, trained, values, with_table_command
from tagnet.evaluation.repeats import mean_of_repeats
from tagnet.evaluation.table_parts import new_table

NAME = "published"
SEEDS: Mapping[str, int] = {"madewithml_a": 5, "madewithml_b": 5, "madewithml_c": 5, "goemotions": 3}
METRICS = {"f1_weighted": "weighted F1", "f1_macro": "macro F1", "f1_micro": "micro F1", "map": "mAP", "ece": "ECE"}
BEST_PUBLISHED: Mapping[str, str] = {
    "madewithml_a": "macro F1 .599 (character CNN)",
    "madewithml_b": "weighted F1 .701 (TF-IDF, gradient boosting)",
    "madewithml_c": "weighted F1 .675 (TF-IDF, gradient boosting)",
    "goemotions": "macro F1 .541 (RoBERTa, a threshold a label)",
}


def run(recipes: Sequence[str], seeds: Sequence[int] | None, work: Path) -> None:
    """Train what is missing, seed by seed."""
    for seed in range(max(SEEDS.values())) if seeds is None else seeds:
        for recipe in recipes:
            if seed >= SEEDS[recipe] or has_result(NAME, recipe=recipe, seed=seed):
                continue
            metrics, seconds = trained(
                [f"experiment={recipe}", f"run.seed={seed}", "logger=none"], work / f"{recipe}-{seed}"
            )
            entry = {
                "recipe": recipe,
                "seed": seed,
                "seconds": seconds,
                "test": values(metrics["test"]),
                "test_intervals": intervals(metrics["test"]),
                "val": values(metrics["val"]),
                "baselines": {name: values(sides["test"]) for name, sides in metrics["baselines"].items()},
            }
            keep(NAME, entry, ("recipe", "seed"))


def table(*, markdown: bool) -> None:
    """Means over seeds with their intervals, and the mean of the intervals over test records."""
    results = read_results(NAME)
    shown = new_table()
    for column in ("recipe", "seeds", *METRICS.values(), "minutes", "best published"):
        shown.add_column(column, no_wrap=column == "recipe")
    for recipe in SEEDS:
        mine = [each for each in results if each["recipe"] == recipe]
        if not mine:
            continue
        cells = []
        for metric in METRICS:
            mean = mean_of_repeats([each["test"][metric] for each in mine], 0.0)
            low, high = np.mean([each["test_intervals"][metric] for each in mine], axis=0)
            cells.append(f"{mean.value:.3f} ±{(mean.high - mean.low) / 2:.3f}\n{low:.3f} to {high:.3f}")
        minutes = [each["seconds"] / 60 for each in mine if each["seconds"]]
        spent = f"{np.median(minutes):.1f}" if minutes else "?"
        shown.add_row(recipe, str(len(mine)), *cells, spent, BEST_PUBLISHED[recipe])
    note = (
        "Test records. First line: mean over seeds, ± half of its 95% interval over seeds (Student's t); second: 95% "
        "bootstrap interval over test records, mean over seeds. Minutes: the median of whole runs, baselines included."
    )
    show("Recipes on published test sets", shown, note, markdown=markdown)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="train what is missing")
    running.add_argument("--recipes", nargs="*", default=list(SEEDS), choices=list(SEEDS))
    running.add_argument("--seeds", type=int, nargs="+", default=None)
    running.add_argument("--work", type=Path, default=Path("runs/published"))
    with_table_command(commands)
    given = parser.parse_args()
    if given.command == "run":
        run(given.recipes, given.seeds, given.work)
    table(markdown=given.command == "table" and given.markdown)


if __name__ == "__main__":
    main()
