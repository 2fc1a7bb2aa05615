from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn.metrics as oracle
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import binary_calibration_error

from tagnet.evaluation.metrics import HEADLINE_KEYS, overall_metrics


def random_predictions(N: int, K: int, seed: int, rate: float = 0.3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y_NK = (rng.random((N, K)) < rate).astype(np.uint8)
    probs_NK = np.clip(0.35 * y_NK + 0.65 * rng.random((N, K)), 0, 1)
    return probs_NK, y_NK, probs_NK >= 0.5


def test_label_metrics_are_those_of_scikit_learn() -> None:
    probs_NK, y_NK, accepted_NK = random_predictions(80, 6, seed=1)
    y_NK[:, 4], accepted_NK[:, 5] = 0, False  # a tag without positives, one without predictions
    scores = overall_metrics(probs_NK, y_NK, accepted_NK, [1])
    for average in ("micro", "macro", "weighted"):
        expected = oracle.precision_recall_fscore_support(y_NK, accepted_NK, average=average, zero_division=0)
        found = [scores[f"{name}_{average}"] for name in ("precision", "recall", "f1")]
        assert found == pytest.approx(expected[:3])


def test_average_precision_leaves_tags_without_positives_out() -> None:
    probs_NK, y_NK, accepted_NK = random_predictions(50, 4, seed=2)
    y_NK[:, 0] = 0
    scores = overall_metrics(probs_NK, y_NK, accepted_NK, [1])
    assert scores["map"] == pytest.approx(oracle.average_precision_score(y_NK[:, 1:], probs_NK[:, 1:], average="macro"))
    assert scores["map_micro"] == pytest.approx(oracle.average_precision_score(y_NK, probs_NK, average="micro"))


def test_record_metrics_are_those_of_scikit_learn() -> None:
    probs_NK, y_NK, accepted_NK = random_predictions(60, 7, seed=3)
    y_NK[:, 0] |= ~y_NK.any(1)  # scikit-learn counts records without tags in another way
    probs_NK = probs_NK.round(1)  # with ties
    scores = overall_metrics(probs_NK, y_NK, accepted_NK, [1])
    assert scores["lrap"] == pytest.approx(oracle.label_ranking_average_precision_score(y_NK, probs_NK))
    assert scores["ndcg"] == pytest.approx(oracle.ndcg_score(y_NK, probs_NK - 1e-9 * np.arange(7), ignore_ties=True))
    assert scores["subset_accuracy"] == pytest.approx(oracle.accuracy_score(y_NK, accepted_NK))
    assert scores["hamming_loss"] == pytest.approx(oracle.hamming_loss(y_NK, accepted_NK))
    assert scores["brier"] == pytest.approx(oracle.brier_score_loss(y_NK.ravel(), probs_NK.ravel()))


def test_log_loss_and_calibration_error_pool_all_cells() -> None:
    probs_NK, y_NK, accepted_NK = random_predictions(60, 5, seed=4)
    scores = overall_metrics(probs_NK, y_NK, accepted_NK, [1])
    assert scores["log_loss"] == pytest.approx(oracle.log_loss(y_NK.ravel(), probs_NK.ravel()))
    expected = binary_calibration_error(torch.tensor(probs_NK.ravel()), torch.tensor(y_NK.ravel()).int(), n_bins=15)
    assert scores["ece"] == pytest.approx(expected.item(), abs=1e-6)


def test_at_k_by_hand() -> None:
    y_NK = np.array([[1, 1, 0], [0, 0, 1], [0, 0, 0]])
    probs_NK = np.array([[0.9, 0.1, 0.5], [0.8, 0.2, 0.7], [0.3, 0.2, 0.1]])
    scores = overall_metrics(probs_NK, y_NK, probs_NK > 0.5, [1, 2, 9])
    assert scores["precision_at_1"] == pytest.approx(1 / 3)
    assert scores["precision_at_2"] == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    assert scores["precision_at_9"] == pytest.approx((2 + 1 + 0) / 9)  # only three tags: the share of all of them
    assert scores["recall_at_2"] == pytest.approx((1 / 2 + 1) / 2)  # the record without tags has nothing to recall
    assert scores["recall_at_9"] == 1


@given(
    N=st.integers(1, 8),
    K=st.integers(1, 5),
    seed=st.integers(0, 10_000),
    rate=st.sampled_from([0.0, 0.2, 1.0]),
    digits=st.sampled_from([0, 1, 8]),
)
def test_every_value_is_finite_and_in_range(N: int, K: int, seed: int, rate: float, digits: int) -> None:
    probs_NK, y_NK, _ = random_predictions(N, K, seed, rate)
    probs_NK = probs_NK.round(digits)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = overall_metrics(probs_NK, y_NK, probs_NK >= 0.5, [1, 3])
    assert set(HEADLINE_KEYS) <= set(scores)
    for name, value in scores.items():
        assert np.isfinite(value), name
        assert 0 <= value <= (30 if name == "log_loss" else 1 + 1e-12), name


@given(seed=st.integers(0, 10_000))
def test_the_order_of_records_does_not_matter(seed: int) -> None:
    probs_NK, y_NK, accepted_NK = random_predictions(12, 3, seed)
    order = np.random.default_rng(seed).permutation(12)
    first = overall_metrics(probs_NK, y_NK, accepted_NK, [1])
    assert overall_metrics(probs_NK[order], y_NK[order], accepted_NK[order], [1]) == pytest.approx(first)


def test_perfect_predictions() -> None:
    _, y_NK, _ = random_predictions(30, 4, seed=5)
    y_NK[0] = 1
    scores = overall_metrics(y_NK.astype(float), y_NK, y_NK > 0, [1])
    assert [scores[k] for k in ("f1_micro", "f1_macro", "map", "ndcg", "lrap", "subset_accuracy")] == [1] * 6
    assert [scores[k] for k in ("ece", "brier", "hamming_loss")] == [0] * 3


def test_logits_and_mismatched_arrays_are_refused() -> None:
    probs_NK, y_NK, accepted_NK = random_predictions(5, 2, seed=6)
    with pytest.raises(ValueError, match="logits"):
        overall_metrics(probs_NK * 4 - 2, y_NK, accepted_NK, [1])
    with pytest.raises(ValueError, match="shape"):
        overall_metrics(probs_NK, y_NK[:4], accepted_NK, [1])
    with pytest.raises(ValueError, match="logits"):
        overall_metrics(probs_NK * np.nan, y_NK, accepted_NK, [1])
