from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagnet.evaluation.average_precision import SortedScores, average_precisions
from tagnet.evaluation.intervals import bootstrap, draws, paired_bootstrap, resample_weights
from tagnet.evaluation.metrics import overall_metrics

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def random_predictions(N: int, K: int, seed: int, rate: float = 0.2, signal: float = 2.0) -> Arrays:
    rng = np.random.default_rng(seed)
    y_NK = (rng.random((N, K)) < rate).astype(np.uint8)
    probs_NK = 1 / (1 + np.exp(-(rng.normal(size=(N, K)) + signal * y_NK - 1.5)))
    return probs_NK, y_NK, probs_NK >= 0.4


def test_every_metric_of_a_resample_is_that_of_the_records_repeated() -> None:
    probs_NK, y_NK, accepted_NK = random_predictions(40, 3, seed=0, rate=0.4)
    found = draws(probs_NK, y_NK, accepted_NK, samples=5, seed=3, at_k=[1, 2])
    weights_SN = np.concatenate(list(resample_weights(40, 5, seed=3, at_once=64)))
    for s, weights_N in enumerate(weights_SN):
        rows = np.repeat(np.arange(40), weights_N.astype(int))
        expected = overall_metrics(probs_NK[rows], y_NK[rows], accepted_NK[rows], [1, 2])
        assert {name: values_S[s] for name, values_S in found.overall.items()} == pytest.approx(expected)


def test_resamples_do_not_depend_on_how_many_are_taken_at_once() -> None:
    together = np.concatenate(list(resample_weights(9, 7, seed=1, at_once=7)))
    apart = np.concatenate(list(resample_weights(9, 7, seed=1, at_once=2)))
    np.testing.assert_array_equal(together, apart)
    assert together.sum(1).tolist() == [9.0] * 7


@settings(max_examples=25)
@given(
    seed=st.integers(0, 1000),
    N=st.integers(1, 12),
    K=st.integers(1, 4),
    rate=st.sampled_from([0.0, 0.1, 0.6, 1.0]),
)
def test_intervals_are_finite_and_hold_their_value(seed: int, N: int, K: int, rate: float) -> None:
    probs_NK, y_NK, accepted_NK = random_predictions(N, K, seed, rate)
    result = bootstrap(probs_NK, y_NK, accepted_NK, samples=50, confidence=0.9, seed=0, at_k=[1])
    values = overall_metrics(probs_NK, y_NK, accepted_NK, [1])
    assert list(result.overall) == list(values)
    for name, estimate in result.overall.items():
        assert estimate.value == values[name]
        assert np.isfinite([estimate.low, estimate.high]).all()
        assert 0 <= estimate.low <= estimate.value <= estimate.high
        assert estimate.high <= 1 or name == "log_loss"
    assert np.array_equal(np.isnan(result.tags["average_precision"].low_K), ~y_NK.any(0))
    for name in ("precision", "recall", "f1", "average_precision"):
        low_K, high_K = result.tags[name].low_K, result.tags[name].high_K
        known_K = ~np.isnan(low_K)
        assert np.array_equal(known_K, ~np.isnan(high_K))
        assert np.all((low_K >= 0) & (low_K <= high_K) & (high_K <= 1) | ~known_K)
    assert json.loads(json.dumps(result.overall["map"].to_plain(), allow_nan=False))["value"] == values["map"]


def test_the_same_seed_gives_the_same_intervals_and_another_does_not() -> None:
    probs_NK, y_NK, accepted_NK = random_predictions(50, 3, seed=4)

    def run(seed: int) -> object:
        return bootstrap(probs_NK, y_NK, accepted_NK, samples=60, confidence=0.95, seed=seed, at_k=[1]).overall

    assert run(0) == run(0)
    assert run(0) != run(1)


def test_more_records_and_less_confidence_make_intervals_narrower() -> None:
    def width(N: int, confidence: float) -> float:
        probs_NK, y_NK, accepted_NK = random_predictions(N, 4, seed=5)
        result = bootstrap(probs_NK, y_NK, accepted_NK, samples=200, confidence=confidence, seed=0, at_k=[1])
        return result.overall["f1_micro"].high - result.overall["f1_micro"].low

    assert width(1600, 0.95) < 0.5 * width(100, 0.95)
    assert width(400, 0.5) < width(400, 0.95)


def test_the_interval_of_a_share_is_that_of_the_normal_approximation() -> None:
    rng = np.random.default_rng(0)
    y_N1 = (rng.random((1000, 1)) < 0.5).astype(np.uint8)
    accepted_N1 = rng.random((1000, 1)) < 0.5
    result = bootstrap(accepted_N1.astype(float), y_N1, accepted_N1, samples=2000, confidence=0.95, seed=0, at_k=[1])
    estimate = result.overall["subset_accuracy"]
    half = 1.96 * np.sqrt(0.25 / 1000)
    assert estimate.high - estimate.value == pytest.approx(half, rel=0.1)
    assert estimate.value - estimate.low == pytest.approx(half, rel=0.1)


def test_the_calibration_error_of_a_calibrated_model_lies_inside_its_interval() -> None:
    rng = np.random.default_rng(0)
    probs_NK = rng.random((150, 4))
    y_NK = rng.random((150, 4)) < probs_NK
    estimate = bootstrap(probs_NK, y_NK, probs_NK > 0.5, samples=300, confidence=0.95, seed=0, at_k=[1]).overall["ece"]
    assert estimate.low < estimate.value < estimate.high


def test_a_paired_difference_is_narrower_than_its_parts_and_zero_against_itself() -> None:
    probs_NK, y_NK, accepted_NK = random_predictions(150, 4, seed=6)
    better_NK = np.clip(probs_NK + 0.1 * (y_NK - 0.5), 0, 1)

    def difference(other_NK: np.ndarray) -> dict[str, tuple[float, float]]:
        first, other = (
            bootstrap(p_NK, y_NK, p_NK >= 0.4, samples=200, confidence=0.95, seed=0, at_k=[1])
            for p_NK in (other_NK, probs_NK)
        )
        found = paired_bootstrap(first, other)
        assert found["map"].low <= found["map"].value <= found["map"].high
        return {name: (estimate.low, estimate.high) for name, estimate in found.items()}

    assert set(difference(probs_NK).values()) == {(0.0, 0.0)}
    low, high = difference(better_NK)["map"]
    alone = bootstrap(probs_NK, y_NK, accepted_NK, samples=200, confidence=0.95, seed=0, at_k=[1]).overall["map"]
    assert 0 < low < high
    assert high - low < 0.6 * (alone.high - alone.low)


@pytest.mark.parametrize("change", [{"seed": 1}, {"samples": 51}, {"confidence": 0.9}, {"at_k": [2]}])
def test_results_on_other_resamples_are_not_compared(change: dict[str, Any]) -> None:
    probs_NK, y_NK, accepted_NK = random_predictions(20, 2, seed=0)
    settings: dict[str, Any] = {"samples": 50, "confidence": 0.95, "seed": 0, "at_k": [1]}
    first = bootstrap(probs_NK, y_NK, accepted_NK, **settings)
    other = bootstrap(probs_NK, y_NK, accepted_NK, **(settings | change))
    with pytest.raises(ValueError, match="on the same resamples"):
        paired_bootstrap(first, other)


def rare_tags(N: int, positives_K: Sequence[int], seed: int) -> Arrays:
    """Predictions of tags that have few positives, each ranked well but not first."""
    rng = np.random.default_rng(seed)
    y_NK = np.zeros((N, len(positives_K)), dtype=np.uint8)
    for k, positives in enumerate(positives_K):
        y_NK[rng.permutation(N)[:positives], k] = 1
    probs_NK = 1 / (1 + np.exp(-(rng.normal(size=y_NK.shape) + 2.5 * y_NK - 2)))
    return probs_NK, y_NK, probs_NK >= 0.4


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_of_rare_tags_lies_inside_its_interval(seed: int) -> None:
    probs_NK, y_NK, accepted_NK = rare_tags(150, [2, 3, 4, 5, 6] * 6, seed)
    result = bootstrap(probs_NK, y_NK, accepted_NK, samples=200, confidence=0.95, seed=0, at_k=[1])
    value_K, bounds = average_precisions(probs_NK, y_NK), result.tags["average_precision"]
    inside_K = (bounds.low_K < value_K) & (value_K < bounds.high_K)
    assert inside_K[value_K < 1].all()
    for name in ("map", "map_micro"):
        estimate = result.overall[name]
        # Not at its edge either: without centring, the value is where the lowest resamples are.
        assert 0.3 < (estimate.value - estimate.low) / (estimate.high - estimate.low) < 0.7


def test_the_draws_of_a_comparison_are_centred_as_those_of_the_models() -> None:
    probs_NK, y_NK, _ = rare_tags(150, [3] * 30, seed=0)
    other_NK = np.random.default_rng(1).random(probs_NK.shape)
    first, other = (
        bootstrap(p_NK, y_NK, p_NK >= 0.4, samples=300, confidence=0.95, seed=0, at_k=[1])
        for p_NK in (probs_NK, other_NK)
    )
    for name in ("map", "map_micro", "ece"):
        difference = paired_bootstrap(first, other)[name]
        assert (first.draws[name] - other.draws[name]).mean() == pytest.approx(difference.value)
        assert difference.low < difference.value < difference.high


def test_precision_and_recall_of_a_tag_by_hand() -> None:
    rng = np.random.default_rng(0)
    y_N1 = (rng.random((1000, 1)) < 0.5).astype(np.uint8)
    accepted_N1 = rng.random((1000, 1)) < 0.5
    result = bootstrap(accepted_N1.astype(float), y_N1, accepted_N1, samples=1000, confidence=0.95, seed=0, at_k=[1])
    for name, members_N1 in (("precision", accepted_N1), ("recall", y_N1 > 0)):
        share = float((y_N1 > 0)[members_N1].mean()) if name == "precision" else float(accepted_N1[members_N1].mean())
        half = 1.96 * np.sqrt(share * (1 - share) / members_N1.sum())
        bounds = result.tags[name]
        assert [bounds.low_K[0], bounds.high_K[0]] == pytest.approx([share - half, share + half], abs=0.15 * half)


def test_each_tag_is_sorted_once_however_many_resamples_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    sorted_lengths: list[int] = []
    sort = SortedScores.of

    def counting(scores_N: Any, y_N: Any, records_N: Any) -> SortedScores:
        sorted_lengths.append(len(scores_N))
        return sort(scores_N, y_N, records_N)

    monkeypatch.setattr(SortedScores, "of", counting)
    probs_NK, y_NK, accepted_NK = random_predictions(50, 3, seed=7)
    draws(probs_NK, y_NK, accepted_NK, samples=300, seed=0, at_k=[1])
    assert sorted_lengths == [50, 50, 50, 150]
