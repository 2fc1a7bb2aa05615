"""Calibration and thresholds, on the logits that the study's base runs have left.

  python -m benchmarks.quality.rules --work runs/quality

Of each run, validation and test records (its network learned from neither) are cut in two at random, many times: the
rule is fitted on one half and measured on the other. Differences are paired cut by cut.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.quality.arms import BASE
from tagnet.atomic import write_json
from tagnet.calibration.fit import fit_decision_rule
from tagnet.cli.compose import train_config
from tagnet.config import CalibratorConfig, ThresholdsConfig
from tagnet.evaluation.metrics import overall_metrics
from tagnet.evaluation.repeats import mean_of_repeats
from tagnet.evaluation.table_parts import new_table, titled
from tagnet.workflows.finished_run import read_finished_run

RESULTS = Path(__file__).parent / "results" / "rules.json"
RULES: Mapping[str, tuple[str, ...]] = {
    "shared_platt, shrunk (the default)": (),
    "thresholds: 0.5": ("thresholds=fixed",),
    "thresholds: global": ("thresholds=global",),
    "thresholds: per_tag": ("thresholds=per_tag",),
    "thresholds: plug_in": ("thresholds=plug_in",),
    "calibrator: none": ("calibrator=none",),
    "calibrator: temperature": ("calibrator=temperature",),
}
METRICS = {"f1_macro": "macro F1", "f1_weighted": "weighted F1", "ece": "ECE", "brier": "Brier"}
CUTS = 30
# Half of the records teach the rule, half test it.
TEST_TO_TRAIN = 1.0


def measure(runs: list[Path], cuts: int) -> dict[str, dict[str, list[float]]]:
    """Rule → metric → its value on each cut of each run."""
    found: dict[str, dict[str, list[float]]] = {name: {metric: [] for metric in METRICS} for name in RULES}
    rules = {name: train_config(*words) for name, words in RULES.items()}
    for folder in runs:
        val, test = (read_finished_run(folder, side) for side in ("val", "test"))
        logits_NK = np.concatenate([val.logits_NK, test.logits_NK])
        y_NK = np.concatenate([val.y_NK, test.y_NK])
        for cut in range(cuts):
            order_N = np.random.default_rng(cut).permutation(len(y_NK))
            one, other = np.array_split(order_N, 2)
            for name, config in rules.items():
                scores = score(val.rule.tags, logits_NK, y_NK, one, other, config.calibrator, config.thresholds)
                for metric in METRICS:
                    found[name][metric].append(scores[metric])
    return found


def score(
    tags: tuple[str, ...],
    logits_NK: NDArray[np.float32],
    y_NK: NDArray[np.uint8],
    one: NDArray[np.int64],
    other: NDArray[np.int64],
    calibrator: CalibratorConfig,
    thresholds: ThresholdsConfig,
) -> dict[str, float]:
    """Fit the rule on one half, measure it on the other."""
    rule = fit_decision_rule(tags, logits_NK[one], y_NK[one], calibrator, thresholds)
    probs_NK = rule.probabilities(logits_NK[other])
    return overall_metrics(probs_NK, y_NK[other], rule.accept(probs_NK), at_k=(1,))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/quality"))
    parser.add_argument("--cuts", type=int, default=CUTS)
    given = parser.parse_args()
    runs = sorted(path.parent for path in (given.work / BASE).glob("*/metrics.json"))
    if not runs:
        parser.error(f"no finished run of the base arm in {given.work}; python -m benchmarks.quality.study run")
    found = measure(runs, given.cuts)
    write_json(RESULTS, {"runs": len(runs), "cuts": given.cuts, "values": found})
    base = next(iter(RULES))
    table = new_table()
    table.add_column("rule", no_wrap=True)
    for name in METRICS.values():
        table.add_column(name, justify="right", no_wrap=True)
    for name, scores in found.items():
        cells = []
        for metric in METRICS:
            values = scores[metric]
            if name != base:
                values = [x - y for x, y in zip(values, found[base][metric], strict=True)]
            mean = mean_of_repeats(values, TEST_TO_TRAIN)
            sign = "" if name == base else "+"
            cells.append(f"{mean.value:{sign}.3f} ({mean.low:{sign}.3f} to {mean.high:{sign}.3f})")
        table.add_row(name, *cells)
    note = f"{len(runs)} runs, {given.cuts} cuts each. First row: means; the others: differences from it, cut by cut."
    console = Console(highlight=False, width=150)
    console.print(titled("Calibration and thresholds", table, note))


if __name__ == "__main__":
    main()
