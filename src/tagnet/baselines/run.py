"""Every baseline on the split of the model, calibrated and thresholded like it. N records, K tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tagnet.baselines.prior import PriorBaseline
from tagnet.baselines.rules import RulesBaseline
from tagnet.baselines.tfidf import TfidfBaseline
from tagnet.calibration.fit import fit_decision_rule
from tagnet.calibration.rule import DecisionRule
from tagnet.config import CalibratorConfig, ThresholdsConfig
from tagnet.records.taxonomy import Taxonomy


class Baseline(Protocol):
    """What a model has to beat."""

    name: str
    """As in `evaluation.baselines`."""
    decides: bool
    """Whether a score above 0 is its decision; if not, thresholds are fitted."""

    def fit(
        self,
        texts: Sequence[str],
        y_NK: NDArray[np.uint8],
        tags: Sequence[str],
        taxonomy: Taxonomy | None,
        seed: int,
    ) -> None:
        """Learn from the training set; the same seed gives the same scores."""

    def scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Finite numbers, (N, K), that a calibrator can take for logits."""


@dataclass(frozen=True, eq=False)
class BaselineResult:
    """A fitted baseline's say on every side but train."""

    rule: DecisionRule
    """From its scores on validation, in the same manner as the model's."""
    probs: Mapping[str, NDArray[np.float64]]
    """Side → calibrated probabilities (N, K)."""

    def accepted(self, side: str) -> NDArray[np.bool_]:
        """Which tags it gives to the records of a side: (N, K)."""
        return self.rule.accept(self.probs[side])


BASELINES: Mapping[str, Callable[[], Baseline]] = {
    "prior": PriorBaseline,
    "rules": RulesBaseline,
    "tfidf_logreg": lambda: TfidfBaseline("tfidf_logreg"),
    "tfidf_svm": lambda: TfidfBaseline("tfidf_svm"),
}


def run_baselines(
    names: Sequence[str],
    taxonomy: Taxonomy | None,
    texts: Mapping[str, Sequence[str]],
    y: Mapping[str, NDArray[np.uint8]],
    tags: Sequence[str],
    calibrator: CalibratorConfig,
    thresholds: ThresholdsConfig,
    seed: int,
) -> dict[str, BaselineResult]:
    """Fit each baseline on train, its decision rule on validation, and score all sides but train.

    Args:
        names: of the baselines, keys of `BASELINES`; `EvaluationConfig` lets no others pass.
        taxonomy: where the rules take their names from; None: the tags' own.
        texts: side → texts, for train, val, test.
        y: side → y_NK.
        tags: the K tags, in the order of the columns.
        calibrator: the model's.
        thresholds: the model's; a baseline that decides for itself keeps its own decision.
        seed: of the run.
    """
    return {name: _run(BASELINES[name](), taxonomy, texts, y, tags, calibrator, thresholds, seed) for name in names}


def _run(
    baseline: Baseline,
    taxonomy: Taxonomy | None,
    texts: Mapping[str, Sequence[str]],
    y: Mapping[str, NDArray[np.uint8]],
    tags: Sequence[str],
    calibrator: CalibratorConfig,
    thresholds: ThresholdsConfig,
    seed: int,
) -> BaselineResult:
    baseline.fit(texts["train"], y["train"], tags, taxonomy, seed)
    scores = {side: baseline.scores(side_texts) for side, side_texts in texts.items() if side != "train"}
    rule = fit_decision_rule(tags, scores["val"], y["val"], calibrator, thresholds)
    if baseline.decides:
        # The calibrator moves every score of a tag alike: the probability of score 0 still parts yes from no.
        rule = replace(rule, thresholds_K=rule.probabilities(np.zeros(len(tags))), threshold_rule="own")
    return BaselineResult(rule, {side: rule.probabilities(side_scores) for side, side_scores in scores.items()})
