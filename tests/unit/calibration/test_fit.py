from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from tagnet.calibration.calibrators import fit_calibrator
from tagnet.calibration.fit import fit_decision_rule
from tagnet.calibration.thresholds import fit_thresholds
from tagnet.config import SharedPlattConfig, ShrunkThresholdsConfig

CONFIGS = SharedPlattConfig("shared_platt", 10.0), ShrunkThresholdsConfig("shrunk", 10.0)


def test_thresholds_are_fitted_on_calibrated_probabilities() -> None:
    rng = np.random.default_rng(0)
    z_NK = rng.normal(scale=3, size=(200, 3)).astype(np.float32)
    y_NK = rng.random(z_NK.shape) < expit(z_NK / 3 - 1)
    rule = fit_decision_rule(["a", "b", "c"], z_NK, y_NK, *CONFIGS)
    scale, offsets_K = fit_calibrator(z_NK, y_NK, CONFIGS[0])
    assert rule.tags == ("a", "b", "c")
    assert (rule.calibrator, rule.threshold_rule) == ("shared_platt", "shrunk")
    assert rule.scale == scale
    assert (rule.offsets_K == offsets_K).all()
    assert (rule.thresholds_K == fit_thresholds(rule.probabilities(z_NK), y_NK, CONFIGS[1])).all()


def test_tags_and_columns_must_match() -> None:
    with pytest.raises(ValueError, match=r"logits: expected \(N, 2\)"):
        fit_decision_rule(["a", "b"], np.zeros((4, 3)), np.zeros((4, 3)), *CONFIGS)
