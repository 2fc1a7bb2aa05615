"""Means over repeated runs, and what makes their intervals wide."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from tagnet.evaluation.repeats import mean_of_repeats


def test_without_shared_records_it_is_students_interval() -> None:
    values = np.random.default_rng(0).normal(0.7, 0.02, size=8)
    expected = ttest_1samp(values, 0).confidence_interval(0.9)
    found = mean_of_repeats(values.tolist(), 0.0, confidence=0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_shared_records_widen_it_as_the_paper_says() -> None:
    values = [0.70, 0.74, 0.72, 0.71]
    narrow, wide = mean_of_repeats(values, 0.0), mean_of_repeats(values, 0.25)
    assert narrow.value == wide.value == pytest.approx(0.7175)
    # Variance (1/4 + 1/4) in place of 1/4.
    assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(2**0.5)


def test_one_run_has_no_interval_and_none_has_no_mean() -> None:
    found = mean_of_repeats([0.5], 0.25)
    assert (found.low, found.value, found.high) == (0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="at least one value"):
        mean_of_repeats([], 0.25)


@pytest.mark.parametrize("ratio", [0.0, 0.25])
def test_it_covers_the_truth_as_often_as_it_says(ratio: float) -> None:
    # Runs that share a part of their error: correlation ρ = ratio / (1 + ratio) is what the correction is made for.
    rng, covered, rounds = np.random.default_rng(1), 0, 2000
    share = ratio / (1 + ratio)
    for _ in range(rounds):
        values = np.sqrt(share) * rng.normal() + np.sqrt(1 - share) * rng.normal(size=5)
        found = mean_of_repeats(values.tolist(), ratio, confidence=0.9)
        covered += found.low <= 0 <= found.high
    assert covered / rounds == pytest.approx(0.9, abs=0.02)
