from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from tagnet.calibration.thresholds import best_f1_thresholds, best_micro_f1_threshold, fit_thresholds
from tagnet.config import (
    FixedThresholdConfig,
    GlobalThresholdConfig,
    PerTagThresholdsConfig,
    PlugInThresholdsConfig,
    ShrunkThresholdsConfig,
)

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
GLOBAL, PER_TAG, PLUG_IN = (
    GlobalThresholdConfig("global"),
    PerTagThresholdsConfig("per_tag"),
    PlugInThresholdsConfig("plug_in"),
)


def sample(seed: int, records: int = 60, tags: int = 4, decimals: int = 2) -> tuple[Array, Labels]:
    """Calibrated probabilities with ties, and labels drawn from them; every tag has a positive."""
    rng = np.random.default_rng(seed)
    probs = (rng.beta(0.5, 2, size=(records, tags))).round(decimals)
    y = (rng.random(probs.shape) < probs).astype(int)
    y[0] = 1
    return probs, y


def brute_force(scores: Array, y: Labels) -> float:
    return max(float(f1_score(y, scores >= cut, zero_division=0)) for cut in np.unique(scores))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), records=st.integers(1, 25), decimals=st.sampled_from([1, 8]))
def test_no_other_cut_has_a_better_f1(seed: int, records: int, decimals: int) -> None:
    probs, y = sample(seed, records, 2, decimals)
    thresholds_K, f1_K = best_f1_thresholds(probs, y.astype(float), np.ones(probs.shape, bool))
    for k in range(2):
        best = brute_force(probs[:, k], y[:, k])
        assert f1_K[k] == pytest.approx(best)
        assert f1_score(y[:, k], probs[:, k] >= thresholds_K[k]) == pytest.approx(best)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_global_threshold_has_the_best_micro_f1(seed: int) -> None:
    probs, y = sample(seed)
    threshold = best_micro_f1_threshold(probs, y.astype(float), np.ones(probs.shape, bool))
    found = f1_score(y, probs >= threshold, average="micro")
    assert found == pytest.approx(brute_force(probs.ravel(), y.ravel()))
    assert (fit_thresholds(probs, y, GLOBAL) == threshold).all()


def test_thresholds_lie_midway_between_neighbouring_scores() -> None:
    probs = np.array([[0.75], [0.5], [0.25]])
    for positives, expected in ((1, 0.625), (2, 0.375), (3, 0.125)):
        y = (np.arange(3) < positives)[:, None]
        assert fit_thresholds(probs, y, PER_TAG).tolist() == [expected]


@pytest.mark.parametrize("low", [0.3, 0.5])  # the middle rounds up from an odd last bit, down to an even one
def test_between_neighbouring_floats_the_upper_one_is_taken(low: float) -> None:
    high = np.nextafter(low, 1)
    threshold = fit_thresholds([[high], [low]], [[1], [0]], PER_TAG)
    assert (np.array([high, low]) >= threshold).tolist() == [True, False]


def test_equal_scores_are_never_cut_apart() -> None:
    probs, y = np.full((4, 1), 0.4), np.array([[1], [0], [1], [0]])
    thresholds_K, f1_K = best_f1_thresholds(probs, y.astype(float), np.ones((4, 1), bool))
    assert thresholds_K[0] <= 0.4
    assert f1_K[0] == pytest.approx(2 / 3)


def test_of_equally_good_cuts_the_one_that_accepts_least_is_taken() -> None:
    probs, y = np.array([[0.9], [0.7], [0.5], [0.3]]), np.array([[1], [0], [0], [1]])
    assert fit_thresholds(probs, y, PER_TAG)[0] == pytest.approx(0.8)  # 2/3 here, 2/3 when all are accepted


@pytest.mark.parametrize("shrinkage", [0.0, 10.0, 1e9])
def test_shrunk_is_the_weighted_mean_of_own_and_safe_ones(shrinkage: float) -> None:
    probs, y = sample(3)
    own_K, shared_K, plug_in_K = (fit_thresholds(probs, y, rule) for rule in (PER_TAG, GLOBAL, PLUG_IN))
    share_K = y.sum(0) / (y.sum(0) + shrinkage)
    found_K = fit_thresholds(probs, y, ShrunkThresholdsConfig("shrunk", shrinkage))
    np.testing.assert_allclose(found_K, share_K * own_K + (1 - share_K) * (shared_K + plug_in_K) / 2)
    assert np.ptp(own_K) > 0


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_plug_in_is_a_fixed_point_of_the_f1_that_the_probabilities_promise(seed: int) -> None:
    probs, y = sample(seed, decimals=8)
    thresholds_K = fit_thresholds(probs, y, PLUG_IN)
    accepted = probs >= thresholds_K
    promised_K = 2 * (probs * accepted).sum(0) / (accepted.sum(0) + probs.sum(0))
    np.testing.assert_allclose(thresholds_K, promised_K / 2, rtol=1e-9)  # Lipton et al., theorem 1


def test_plug_in_looks_at_labels_only_to_see_that_there_are_any() -> None:
    probs, y = sample(4)
    other = np.zeros_like(y)
    other[-1] = 1
    assert (fit_thresholds(probs, y, PLUG_IN) == fit_thresholds(probs, other, PLUG_IN)).all()


def test_fixed_is_fixed() -> None:
    assert fit_thresholds(*sample(5), FixedThresholdConfig("fixed", 0.3)).tolist() == [0.3] * 4


def test_the_best_of_each_tag_is_best_where_it_was_fitted() -> None:
    rules = (GLOBAL, PER_TAG, ShrunkThresholdsConfig("shrunk", 10.0), FixedThresholdConfig("fixed", 0.5))
    macro: dict[str, list[float]] = {rule.name: [] for rule in rules}
    for seed in range(10):
        probs, y = sample(seed)
        for rule in rules:
            accepted = probs >= fit_thresholds(probs, y, rule)
            macro[rule.name].append(f1_score(y, accepted, average="macro", zero_division=0))
        assert macro["per_tag"][-1] == max(values[-1] for values in macro.values())
    assert np.mean(macro["shrunk"]) > np.mean(macro["global"])


def test_soft_labels_count_with_their_share() -> None:
    probs, y = np.array([[0.8], [0.6], [0.4]]), np.array([[1.0], [0.5], [0.0]])
    _, f1_K = best_f1_thresholds(probs, y, np.ones((3, 1), bool))
    assert f1_K[0] == pytest.approx(2 * 1.5 / (2 + 1.5))


def test_shapes_that_differ_are_refused() -> None:
    probs, y = sample(7)
    with pytest.raises(ValueError, match="one shape"):
        fit_thresholds(probs, y[:3], GLOBAL)


def test_a_thousand_tags_are_not_a_loop() -> None:
    rng = np.random.default_rng(8)
    probs = rng.random((300, 1000))
    y = rng.random(probs.shape) < probs**3
    thresholds_K = fit_thresholds(probs, y, PER_TAG)
    few_K = fit_thresholds(probs[:, :3], y[:, :3], PER_TAG)
    assert (thresholds_K[:3] == few_K).all()
