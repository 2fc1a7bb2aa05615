"""Calibration and thresholds, on the logits that the default recipe's runs on fresh splits of three corpora have left.

  python -m benchmarks.quality.corpora run                          the runs, where they are not there yet
  python -m benchmarks.quality.rules run                            measure the rules on their logits
  python -m benchmarks.quality.rules table                          the table of docs/quality.md

Each rule is fitted on a run's validation records and measured on its test records; differences are paired run by run.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.paired_table import gain
from benchmarks.quality.runs import keep, read_results, show, with_table_command
from tagnet.calibration.fit import fit_decision_rule
from tagnet.cli.compose import train_config
from tagnet.evaluation.metrics import overall_metrics
from tagnet.evaluation.table_parts import new_table
from tagnet.workflows.finished_run import read_finished_run

NAME = "rules"
OTHERS = ("embedded", "few_emotions")
DEFAULT = "shared_platt, shrunk"
RULES: Mapping[str, tuple[str, ...]] = {
    DEFAULT: (),
    "thresholds: 0.5": ("thresholds=fixed",),
    "thresholds: global": ("thresholds=global",),
    "thresholds: per_tag": ("thresholds=per_tag",),
    "thresholds: plug_in": ("thresholds=plug_in",),
    "shrinkage: 5": ("thresholds.shrinkage=5",),
    "shrinkage: 80": ("thresholds.shrinkage=80",),
    "thresholds: conformal_recall, 0.8": ("thresholds=conformal_recall",),
    "calibrator: none": ("calibrator=none",),
    "calibrator: temperature": ("calibrator=temperature",),
    "offset ridge: 3": ("calibrator.offset_ridge=3",),
    "offset ridge: 300": ("calibrator.offset_ridge=300",),
}
RECALL = "recall_by_record"
"""The mean over records with a tag of the share of their tags that is accepted: what conformal_recall promises."""
METRICS = {
    "f1_macro": "macro F1",
    "f1_weighted": "weighted F1",
    "f1_micro": "micro F1",
    "ece": "ECE",
    "log_loss": "log loss",
    RECALL: "recall a record",
}
TEST_TO_REST = 0.15 / 0.85
"""Records that judge by all others: those taught the network or the rule."""


def run(runs: list[Path]) -> None:
    """Fit and measure every rule on every run."""
    for folder in runs:
        corpus = folder.name.partition("-")[0]
        val, test = (read_finished_run(folder, side) for side in ("val", "test"))
        for rule_name, words in RULES.items():
            config = train_config("data=madewithml", *words)
            rule = fit_decision_rule(val.rule.tags, val.logits_NK, val.y_NK, config.calibrator, config.thresholds)
            probs_NK = rule.probabilities(test.logits_NK)
            accepted_NK = rule.accept(probs_NK)
            scores = overall_metrics(probs_NK, test.y_NK, accepted_NK, at_k=(1,))
            scores[RECALL] = recall_by_record(test.y_NK, accepted_NK)
            entry: dict[str, Any] = {"rule": rule_name, "corpus": corpus, "run": folder.name, "tags": len(rule.tags)}
            keep(NAME, entry | {metric: scores[metric] for metric in METRICS}, ("rule", "run"))


def recall_by_record(y_NK: NDArray[np.uint8], accepted_NK: NDArray[np.bool_]) -> float:
    """The mean share of a record's tags that is accepted, of records with a tag."""
    bearing_N = y_NK.any(axis=1)
    return float(((y_NK * accepted_NK).sum(1)[bearing_N] / y_NK.sum(1)[bearing_N]).mean())


def table(*, markdown: bool) -> None:
    """Every rule against the default, paired."""
    results = read_results(NAME)
    base = {each["run"]: each for each in results if each["rule"] == DEFAULT}

    def cell(rule: str, corpus: str, metric: str) -> str:
        mine = [each for each in results if each["rule"] == rule and each["corpus"] == corpus]
        if rule == DEFAULT:
            values = [each[metric] for each in mine]
            return f"{np.mean(values):.{_digits(metric)}f}"
        gaps = [each[metric] - base[each["run"]][metric] for each in mine]
        return gain(gaps, TEST_TO_REST, _digits(metric))

    shown = new_table()
    for column in ("rule", *METRICS.values(), *(f"macro F1, {corpus}" for corpus in OTHERS)):
        shown.add_column(column)
    for rule in RULES:
        macro = [each["f1_macro"] - base[each["run"]]["f1_macro"] for each in results if each["rule"] == rule]
        lower = "" if rule == DEFAULT else f"; lower in {sum(gap < 0 for gap in macro)} of {len(macro)}"
        cells = [cell(rule, "madewithml", metric) for metric in METRICS]
        others = [cell(rule, corpus, "f1_macro") for corpus in OTHERS]
        shown.add_row(rule + lower, *cells, *others)
    note = (
        "Ten runs of the default recipe on fresh splits of MadeWithML, and three on each other corpus; test records. "
        "First row: means; the others: differences from it, run by run, with 95% intervals corrected for shared "
        "records, and in how many of all runs the macro F1 is lower than the default's."
    )
    show("Calibration and thresholds", shown, note, markdown=markdown)


def _digits(metric: str) -> int:
    return 4 if metric in ("ece", "log_loss") else 3


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="fit and measure")
    running.add_argument("--work", type=Path, default=Path("runs/corpora"))
    with_table_command(commands)
    given = parser.parse_args()
    if given.command == "run":
        corpora = ("madewithml", *OTHERS)
        runs = sorted(path.parent for each in corpora for path in given.work.glob(f"{each}-*/metrics.json"))
        if not runs:
            parser.error(f"no finished run in {given.work}: python -m benchmarks.quality.corpora run")
        run(runs)
    table(markdown=given.command == "table" and given.markdown)


if __name__ == "__main__":
    main()
