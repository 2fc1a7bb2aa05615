"""The final measurements of a run: the model's and the baselines', on validation and, where it is asked for, on test.

Shapes: N texts of a side, K tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tagnet.calibration.rule import DecisionRule
from tagnet.config import EvaluationConfig, RunConfig
from tagnet.data.prepare import Prepared
from tagnet.data.sides import split_quality
from tagnet.data.split import naive_quality
from tagnet.evaluation.collapse import collapse_reason
from tagnet.evaluation.intervals import BootstrapResult, Estimate, bootstrap, paired_bootstrap
from tagnet.evaluation.per_tag import TagRow, per_tag_table

if TYPE_CHECKING:
    from tagnet.baselines.run import BaselineResult

Side = Literal["val", "test"]
SIDES: tuple[Side, ...] = ("val", "test")


def measured_sides(config: RunConfig) -> tuple[Side, ...]:
    """The sides that a run computes logits of, runs its baselines on and measures; the last one judges the model."""
    return SIDES if config.test else SIDES[:1]


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
    logits: Mapping[Side, NDArray[np.floating]]
    """Side → logits (N, K)."""
    model: Mapping[Side, Measured]
    """Side → the network."""
    baselines: Mapping[str, Mapping[Side, Measured]]
    """Name → side → that baseline."""
    differences: Mapping[str, Mapping[str, Estimate]]
    """Name → the network's metrics minus that baseline's, on the same resamples, on the side that judges."""
    rows: tuple[TagRow, ...]
    """A row a tag, on the side that judges."""
    split: SplitMeasure
    collapse: str | None
    """Why the model is said to have collapsed; None: it has not."""

    @property
    def judged(self) -> Side:
        """The side that judges the model: test, or validation where test was not looked at."""
        return "test" if "test" in self.model else "val"

    def to_plain(self) -> dict[str, Any]:
        """What metrics.json holds: nested, finite, without times and paths."""
        sides: dict[str, Any] = {side: _plain(measured) for side, measured in self.model.items()}
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
    sides: Sequence[Side] = SIDES,
) -> Outcome:
    """Measure the network and the baselines, each by its own rule, which was fitted on validation.

    Args:
        config: how many resamples, which coverage.
        seed: of the resamples, the same for all models.
        prepared: labels and sides.
        rule: the network's.
        logits_NK: the network's, of all texts of the corpus.
        baselines: name → its rule and probabilities.
        sides: of `measured_sides`.
    """
    y_NK, split = prepared.corpus.y_NK, prepared.split
    y = {side: y_NK[getattr(split, side)] for side in sides}
    logits = {side: logits_NK[getattr(split, side)] for side in sides}
    model = {side: _measure(rule, rule.probabilities(logits[side]), y[side], config, seed) for side in sides}
    others = {
        name: {side: _measure(result.rule, result.probs[side], y[side], config, seed) for side in sides}
        for name, result in baselines.items()
    }
    judged, side = model[sides[-1]], sides[-1]
    differences = {name: paired_bootstrap(judged.result, other[side].result) for name, other in others.items()}
    train_counts_K = y_NK[split.train].sum(0, dtype=np.int64)
    rows = per_tag_table(
        rule.tags, judged.probs_NK, y[side], judged.accepted_NK, rule.thresholds_K, train_counts_K, judged.result
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
