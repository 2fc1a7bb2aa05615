from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagnet.config import WeightedBCEConfig
from tagnet.losses.weights import (
    class_balanced_weights,
    clipped_log_odds,
    effective_number,
    inverse_counts,
    positive_weights,
)

Weighting = Literal["inverse", "sqrt_inverse", "effective_number", "count"]
WEIGHTINGS: list[Weighting] = ["inverse", "sqrt_inverse", "effective_number", "count"]


@given(n=st.integers(1, 500), beta=st.floats(0.01, 0.999))
def test_effective_number_is_the_geometric_sum(n: int, beta: float) -> None:
    found = effective_number(np.array([float(n)]), beta, 1000)
    assert found[0] == pytest.approx(sum(beta**i for i in range(n)), rel=1e-9)


def test_effective_number_at_its_ends() -> None:
    counts_K = np.array([1.0, 10.0, 1000.0])
    assert effective_number(counts_K, 1e-9, 5000).round(6).tolist() == [1, 1, 1]
    assert effective_number(counts_K, 1 - 1e-12, 5000) == pytest.approx(counts_K, rel=1e-3)
    assert effective_number(counts_K, None, 1).tolist() == [1, 1, 1]
    assert (effective_number(counts_K, None, 5000) == effective_number(counts_K, 4999 / 5000, 5000)).all()


@pytest.mark.parametrize(
    ("weighting", "expected"),
    [
        ("inverse", [3.0, 99.0]),
        ("sqrt_inverse", [3**0.5, 99**0.5]),
        ("count", [1 / 50, 1 / 2]),
        ("effective_number", [(1 - 0.9**150) / (1 - 0.9**50), (1 - 0.9**198) / (1 - 0.9**2)]),
    ],
)
def test_positive_weights(weighting: Weighting, expected: list[float]) -> None:
    beta = 0.9 if weighting == "effective_number" else None
    config = WeightedBCEConfig("weighted_bce", weighting, beta, 1000.0)
    assert positive_weights(np.array([50, 2]), 200, config) == pytest.approx(expected)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@given(positives=st.lists(st.integers(0, 300), min_size=1, max_size=6), cap=st.floats(0.1, 100))
def test_positive_weights_are_finite_capped_and_larger_for_rarer_tags(
    weighting: Weighting, positives: list[int], cap: float
) -> None:
    weights_K = positive_weights(np.array(positives), 300, WeightedBCEConfig("weighted_bce", weighting, None, cap))
    assert (weights_K > 0).all()
    assert (weights_K <= cap).all()
    by_rarity = weights_K[np.argsort(positives)]
    assert (np.diff(by_rarity) <= 1e-12).all()


def test_class_balanced_weights_average_one_over_the_tags_that_occur() -> None:
    weights_K = class_balanced_weights(np.array([0, 1, 10, 100]), 1000, None)
    assert weights_K[1:].mean() == pytest.approx(1)
    assert weights_K[0] == weights_K[1] > weights_K[2] > weights_K[3] > 0
    assert class_balanced_weights(np.array([0, 0]), 1000, None).tolist() == [1, 1]


def test_shifts_and_inverse_counts_are_finite_at_the_ends() -> None:
    assert clipped_log_odds(np.array([0, 50, 100]), 100) == pytest.approx([-np.log(199), 0, np.log(199)])
    assert np.isfinite(clipped_log_odds(np.array([0, 1]), 1)).all()
    assert inverse_counts(np.array([0, 1, 8])).tolist() == [1, 1, 0.125]
