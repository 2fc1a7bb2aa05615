"""The final measurements of a run: the model's and the baselines', on validation and test.

Shapes: N texts of a side, K tags.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagnet.baselines.run import BaselineResult
from tagnet.calibration.rule import DecisionRule
from tagnet.config import EvaluationConfig
from tagnet.data.prepare import Prepared
from tagnet.data.sides import split_quality
from tagnet.data.split import naive_quality
from tagnet.evaluation.collapse import collapse_reason
from tagnet.evaluation.intervals import BootstrapResult, Estimate, bootstrap, paired_bootstrap
from tagnet.evaluation.per_tag import TagRow, per_tag_table

SIDES = ("val", "test")


@dataclass(frozen=True)
class Measured:
    """One model on one side."""

    probs_NK: NDArray[np.float64]
    accepted_NK: NDArray[np.bool_]
    result: BootstrapResult


@dataclass(frozen=True)
class SplitMeasure:
    """The course's measure of a split, 0 being perfect, beside that of a split without stratification."""

    quality: float
    naive_quality: float


@dataclass(frozen=True)
class Outcome:
    """All that a run found out."""

    rule: DecisionRule
    logits: Mapping[str, NDArray[np.floating]]
    """Side → logits (N, K)."""
    model: Mapping[str, Measured]
    """Side → the network."""
    baselines: Mapping[str, Mapping[str, Measured]]
    """Name → side → that baseline."""
    differences: Mapping[str, Mapping[str, Estimate]]
    """Name → the network's test metrics minus that baseline's, on the same resamples."""
    rows: tuple[TagRow, ...]
    """A row a tag, on test."""
    split: SplitMeasure
    collapse: str | None
    """Why the model is said to have collapsed; None: it has not."""

    def to_plain(self) -> dict[str, Any]:
        """What metrics.json holds: nested, finite, without times and paths."""
        sides = {side: _plain(measured) for side, measured in self.model.items()}
        baselines = {
            name: {side: _plain(measured) for side, measured in by_side.items()}
            for name, by_side in self.baselines.items()
        }
        split = {"quality": self.split.quality, "naive_quality": self.split.naive_quality}
        return {**sides, "baselines": baselines, "split": split, "collapsed": int(self.collapse is not None)}


def measure(
    config: EvaluationConfig,
    seed: int,
    prepared: Prepared,
    rule: DecisionRule,
    logits_NK: NDArray[np.floating],
    baselines: Mapping[str, BaselineResult],
) -> Outcome:
    """Measure the network and the baselines, each by its own rule, which was fitted on validation.

    Args:
        config: how many resamples, which coverage.
        seed: of the resamples, the same for all models.
        prepared: labels and sides.
        rule: the network's.
        logits_NK: the network's, of all texts of the corpus.
        baselines: name → its rule and probabilities.
    """
    y_NK, split = prepared.corpus.y_NK, prepared.split
    y = {side: y_NK[getattr(split, side)] for side in SIDES}
    logits = {side: logits_NK[getattr(split, side)] for side in SIDES}
    model = {side: _measure(rule, rule.probabilities(logits[side]), y[side], config, seed) for side in SIDES}
    others = {
        name: {side: _measure(result.rule, result.probs[side], y[side], config, seed) for side in SIDES}
        for name, result in baselines.items()
    }
    test = model["test"]
    differences = {name: paired_bootstrap(test.result, other["test"].result) for name, other in others.items()}
    train_counts_K = y_NK[split.train].sum(0, dtype=np.int64)
    rows = per_tag_table(
        rule.tags, test.probs_NK, y["test"], test.accepted_NK, rule.thresholds_K, train_counts_K, test.result
    )
    return Outcome(
        rule=rule,
        logits=logits,
        model=model,
        baselines=others,
        differences=differences,
        rows=tuple(rows),
        split=SplitMeasure(split_quality(y_NK, split), naive_quality(y_NK, split, seed)),
        collapse=collapse_reason(model["val"].probs_NK, model["val"].accepted_NK, train_counts_K / len(split.train)),
    )


def _measure(
    rule: DecisionRule,
    probs_NK: NDArray[np.float64],
    y_NK: NDArray[np.uint8],
    config: EvaluationConfig,
    seed: int,
) -> Measured:
    accepted_NK = rule.accept(probs_NK)
    result = bootstrap(
        probs_NK,
        y_NK,
        accepted_NK,
        samples=config.bootstrap_samples,
        confidence=config.confidence,
        seed=seed,
        at_k=config.at_k,
    )
    return Measured(probs_NK, accepted_NK, result)


def _plain(measured: Measured) -> dict[str, dict[str, float]]:
    return {name: estimate.to_plain() for name, estimate in measured.result.overall.items()}
