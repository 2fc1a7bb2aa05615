from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tagnet.config import OversampleConfig, RepeatFactorConfig, UndersampleConfig
from tagnet.data.sampling import epoch_indices, imbalance_ratios, oversample, repeat_factors


def unequal() -> NDArray[np.uint8]:
    """90 records of a frequent tag, 8 of a rare one, 2 with both; then a tag that nobody bears."""
    y_NK = np.zeros((100, 3), dtype=np.uint8)
    y_NK[:92, 0] = 1
    y_NK[90:, 1] = 1
    return y_NK


def mean_ratio(y_NK: NDArray[np.uint8]) -> float:
    return float(np.nanmean(imbalance_ratios(y_NK.sum(axis=0, dtype=np.float64))))


def test_oversampling_adds_records_of_scarce_tags_only() -> None:
    y_NK = unequal()
    chosen = epoch_indices(y_NK, OversampleConfig("oversample", 0.05), seed=0, epoch=0)
    assert len(chosen) == 105
    times_N = np.bincount(chosen, minlength=100)
    assert (times_N >= 1).all()
    assert (times_N[:90] == 1).all()


def test_oversampling_stops_when_no_tag_is_scarce_any_more() -> None:
    y_NK = unequal()
    chosen = epoch_indices(y_NK, OversampleConfig("oversample", 4.0), seed=0, epoch=0)
    assert 100 < len(chosen) < 500
    counts_K = y_NK[chosen].sum(axis=0)
    assert counts_K[0] / counts_K[1] <= mean_ratio(y_NK)
    without_the_last = y_NK[chosen].sum(axis=0) - [0, 1, 0]
    assert without_the_last[0] / without_the_last[1] > mean_ratio(y_NK) * 0.9


def test_scarce_tags_take_turns() -> None:
    y_NK = np.zeros((100, 3), dtype=np.uint8)
    y_NK[:80, 0] = 1
    y_NK[80:90, 1] = 1
    y_NK[90:, 2] = 1
    chosen = oversample(y_NK, 0.1, np.random.default_rng(0))
    assert y_NK[chosen].sum(axis=0).tolist() == [80, 15, 15]


def test_undersampling_leaves_out_records_of_frequent_tags_only() -> None:
    y_NK = unequal()
    chosen = epoch_indices(y_NK, UndersampleConfig("undersample", 0.25), seed=0, epoch=0)
    assert len(chosen) == 75
    assert set(range(90, 100)) <= set(chosen.tolist())
    assert len(set(chosen.tolist())) == 75


def test_undersampling_keeps_records_without_tags() -> None:
    y_NK = np.concatenate([unequal(), np.zeros((20, 3), dtype=np.uint8)])
    chosen = epoch_indices(y_NK, UndersampleConfig("undersample", 0.25), seed=0, epoch=0)
    assert set(range(100, 120)) <= set(chosen.tolist())


def test_undersampling_spares_a_tag_once_it_is_as_scarce_as_the_mean() -> None:
    y_NK = np.repeat(np.eye(3, dtype=np.uint8), [100, 40, 5], axis=0)  # IRLbl 1, 2.5, 20; mean 7.83
    chosen = epoch_indices(y_NK, UndersampleConfig("undersample", 0.6), seed=0, epoch=0)
    # 32 turns of both, until 68 / 8 is above the mean; the other 23 of 87 come from the first alone.
    assert y_NK[chosen].sum(axis=0).tolist() == [45, 8, 5]


def test_repeat_factors_follow_the_paper() -> None:
    y_NK = unequal()
    factors_N = repeat_factors(y_NK, 0.4)
    assert factors_N[:90].tolist() == [1.0] * 90
    assert factors_N[90:] == pytest.approx([2.0] * 10)  # √(.4 / .1)
    assert repeat_factors(y_NK, 0.05).tolist() == [1.0] * 100


def test_repeats_come_out_right_on_average() -> None:
    y_NK = unequal()
    config = RepeatFactorConfig("repeat_factor", 0.225)  # √2.25 = 1.5 times
    times = [np.bincount(epoch_indices(y_NK, config, 0, epoch), minlength=100)[90:] for epoch in range(200)]
    assert set(np.unique(times)) == {1, 2}
    assert np.mean(times) == pytest.approx(1.5, abs=0.05)
