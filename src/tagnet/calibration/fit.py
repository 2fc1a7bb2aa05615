"""Logits of the validation set → the decision rule. N records, K tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from tagnet.calibration.calibrators import fit_calibrator
from tagnet.calibration.cells import Cells, FloatArray
from tagnet.calibration.rule import DecisionRule, probabilities_of
from tagnet.calibration.thresholds import thresholds_of_cells
from tagnet.config import CalibratorConfig, ThresholdsConfig


def fit_decision_rule(
    tags: Sequence[str],
    logits_NK: ArrayLike,
    y_NK: ArrayLike,
    calibrator_config: CalibratorConfig,
    thresholds_config: ThresholdsConfig,
    known_NK: ArrayLike | None = None,
) -> DecisionRule:
    """The calibrator first, then the thresholds on its probabilities, both from the same validation set.

    Args:
        tags: the K tags, in the order of the columns.
        logits_NK: (N, K), of records that the model was not trained on.
        y_NK: (N, K) in [0, 1].
        calibrator_config: how logits become probabilities.
        thresholds_config: how probabilities become tags.
        known_NK: (N, K) bool; None: every cell is known.

    Raises:
        ValueError: the shapes differ, or a known logit is not finite.

    >>> from tagnet.config import FixedThresholdConfig, NoCalibratorConfig
    >>> configs = NoCalibratorConfig("none"), FixedThresholdConfig("fixed", 0.5)
    >>> rule = fit_decision_rule(["a", "b"], [[1.0, -1.0]], [[1, 0]], *configs)
    >>> rule.accept(rule.probabilities([[0.1, -0.1]])).tolist()
    [[True, False]]
    """
    logits = np.asarray(logits_NK)
    if logits.shape[1:] != (len(tags),):
        raise ValueError(f"logits: expected (N, {len(tags)}), one column for each tag, found {logits.shape}")
    scale, offsets_K = fit_calibrator(logits, y_NK, calibrator_config, known_NK)
    calibrated = DecisionRule(
        tags=tuple(tags),
        scale=scale,
        offsets_K=offsets_K,
        thresholds_K=np.zeros(len(tags)),
        calibrator=calibrator_config.name,
        threshold_rule=thresholds_config.name,
    )
    cells = Cells.of("logits", logits, y_NK, known_NK)

    def probabilities(records: slice, tags: slice) -> FloatArray:
        logits_nk = cells.scores_of(records, tags)
        return probabilities_of(np.where(np.isfinite(logits_nk), logits_nk, 0.0), scale, offsets_K[tags])

    return DecisionRule(
        tags=calibrated.tags,
        scale=scale,
        offsets_K=offsets_K,
        thresholds_K=thresholds_of_cells(replace(cells, scores_of=probabilities), thresholds_config),
        calibrator=calibrated.calibrator,
        threshold_rule=calibrated.threshold_rule,
    )
