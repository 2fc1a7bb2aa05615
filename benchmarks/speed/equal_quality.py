"""Whether packed training learns as much: the recipe of protocol B, packed, beside the same seeds unpacked.

    python -m benchmarks.speed.equal_quality run [--seeds 0 1 2 3 4]    what is missing, about two minutes a seed
    python -m benchmarks.speed.equal_quality table                      the table of docs/speed.md

The unpacked runs are those of `benchmarks.quality.published`. TAGNET_DATA names the data.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.quality.runs import has_result, keep, read_results, show, trained, values, with_table_command
from tagnet.evaluation.repeats import mean_of_repeats
from tagnet.evaluation.table_parts import new_table

NAME = "equal_quality"
RECIPE = "madewithml_b"
RESULTS = Path(__file__).parent / "results"
METRICS = {"f1_weighted": "weighted F1", "f1_macro": "macro F1", "map": "mAP"}


def run(seeds: Sequence[int], work: Path) -> None:
    """Train what is missing."""
    for seed in seeds:
        if has_result(NAME, RESULTS, seed=seed):
            continue
        words = [f"experiment={RECIPE}", f"run.seed={seed}", "trainer.packing=true", "evaluation.baselines=[]"]
        metrics, seconds = trained(words, work / f"{RECIPE}-{seed}")
        entry = {"seed": seed, "seconds": seconds, "test": values(metrics["test"]), "val": values(metrics["val"])}
        keep(NAME, entry, ("seed",), RESULTS)


def table(*, markdown: bool) -> None:
    """Means over the seeds that both have, and the mean of the differences seed by seed."""
    packed = {each["seed"]: each["test"] for each in read_results(NAME, RESULTS)}
    padded = {each["seed"]: each["test"] for each in read_results("published") if each["recipe"] == RECIPE}
    seeds = sorted(packed.keys() & padded.keys())
    shown = new_table()
    for column in ("test records", *METRICS.values()):
        shown.add_column(column)
    for name, found in (("padded", padded), ("packed", packed)):
        shown.add_row(name, *(f"{mean_of_repeats([found[s][m] for s in seeds], 0.0).value:.3f}" for m in METRICS))
    differences = []
    for metric in METRICS:
        mean = mean_of_repeats([packed[seed][metric] - padded[seed][metric] for seed in seeds], 0.0)
        differences.append(f"{mean.value:+.3f} ({mean.low:+.3f} to {mean.high:+.3f})")
    shown.add_row("packed - padded", *differences)
    note = (
        f"Protocol B, means over {len(seeds)} seeds; 95% interval of the paired differences over seeds (Student's t)."
    )
    show("Packed and padded training", shown, note, markdown=markdown)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="train what is missing")
    running.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    running.add_argument("--work", type=Path, default=Path("runs/equal_quality"))
    with_table_command(commands)
    given = parser.parse_args()
    if given.command == "run":
        run(given.seeds, given.work)
    table(markdown=given.command == "table" and given.markdown)


if __name__ == "__main__":
    main()
