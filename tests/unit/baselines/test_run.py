from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tagnet.baselines.run import BASELINES, run_baselines
from tagnet.config import (
    CalibratorConfig,
    FixedThresholdConfig,
    GlobalThresholdConfig,
    NoCalibratorConfig,
    SharedPlattConfig,
    TemperatureConfig,
    ThresholdsConfig,
)

TAGS = ("cat", "dog", "yak")


def side(num_records: int, seed: int) -> tuple[list[str], NDArray[np.uint8]]:
    random = np.random.default_rng(seed)
    y_NK = (random.random((num_records, 3)) < [0.5, 0.3, 0.1]).astype(np.uint8)
    texts = [" ".join(["a text", *(tag for tag, is_on in zip(TAGS, y_K, strict=True) if is_on)]) for y_K in y_NK]
    return texts, y_NK


SIDES = {name: side(size, seed) for seed, (name, size) in enumerate({"train": 80, "val": 30, "test": 20}.items())}
TEXTS = {name: texts for name, (texts, _) in SIDES.items()}
Y = {name: y_NK for name, (_, y_NK) in SIDES.items()}
PLATT, GLOBAL = SharedPlattConfig("shared_platt", 10.0), GlobalThresholdConfig("global")


def test_each_name_gives_probabilities_of_validation_and_test() -> None:
    results = run_baselines(list(BASELINES), None, TEXTS, Y, TAGS, PLATT, GLOBAL, seed=0)
    assert list(results) == ["prior", "rules", "tfidf_logreg", "tfidf_svm"]
    for name, result in results.items():
        assert BASELINES[name]().name == name
        assert {key: probs_NK.shape for key, probs_NK in result.probs.items()} == {"val": (30, 3), "test": (20, 3)}
        assert result.rule.tags == TAGS
        assert result.rule.calibrator == "shared_platt"
    for name in ("rules", "tfidf_logreg", "tfidf_svm"):
        np.testing.assert_array_equal(results[name].accepted("test"), Y["test"] == 1)


@pytest.mark.parametrize("calibrator", [PLATT, TemperatureConfig("temperature"), NoCalibratorConfig("none")])
@pytest.mark.parametrize("thresholds", [GLOBAL, FixedThresholdConfig("fixed", 0.999)])
def test_rules_keep_their_decision_whatever_is_fitted(
    calibrator: CalibratorConfig, thresholds: ThresholdsConfig
) -> None:
    y = {**Y, "val": 1 - Y["val"]}  # validation says that the rules are always wrong
    result = run_baselines(["rules"], None, TEXTS, y, TAGS, calibrator, thresholds, seed=0)["rules"]
    np.testing.assert_array_equal(result.accepted("test"), Y["test"] == 1)
    assert result.rule.threshold_rule == "own"
