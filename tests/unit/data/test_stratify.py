from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tagnet.data.stratify import stratify
from tagnet.errors import SplitError

FRACTIONS = (0.7, 0.15, 0.15)


def labels(num_records: int, num_tags: int, seed: int = 0) -> NDArray[np.uint8]:
    random = np.random.default_rng(seed)
    rates_K = np.linspace(0.03, 0.4, num_tags)
    return (random.random((num_records, num_tags)) < rates_K).astype(np.uint8)


def test_every_tag_is_shared_out_in_proportion() -> None:
    y_NK = labels(1000, 12)
    part_N = stratify(y_NK, FRACTIONS, seed=0)
    for part, fraction in enumerate(FRACTIONS):
        assert (part_N == part).sum() == pytest.approx(1000 * fraction, abs=15)
        np.testing.assert_allclose(y_NK[part_N == part].sum(axis=0), y_NK.sum(axis=0) * fraction, atol=2)


def test_the_same_seed_gives_the_same_parts_and_another_others() -> None:
    y_NK = labels(200, 5)
    np.testing.assert_array_equal(stratify(y_NK, FRACTIONS, seed=3), stratify(y_NK, FRACTIONS, seed=3))
    assert (stratify(y_NK, FRACTIONS, seed=3) != stratify(y_NK, FRACTIONS, seed=4)).any()


def test_files_sorted_by_date_are_not_dealt_in_order() -> None:
    y_NK = np.ones((100, 1), dtype=np.uint8)
    test = np.flatnonzero(stratify(y_NK, FRACTIONS, seed=0) == 2)
    assert test.min() < 40
    assert test.max() > 60


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(0, 3), st.integers(0, 1000))
def test_groups_stay_together_and_no_part_is_empty(groups: list[int], num_tags: int, seed: int) -> None:
    groups_N = np.asarray([*groups, 6, 7, 8], dtype=np.int64)
    y_NK = labels(len(groups_N), num_tags, seed)
    part_N = stratify(y_NK, FRACTIONS, seed, groups_N)
    assert set(part_N) == {0, 1, 2}
    for group in set(groups_N.tolist()):
        assert len(set(part_N[groups_N == group])) == 1


def test_a_large_group_does_not_swell_a_small_part() -> None:
    groups_N = np.concatenate([np.zeros(300, dtype=np.int64), np.arange(1, 701)])
    for seed in range(8):
        assert stratify(labels(1000, 4), FRACTIONS, seed, groups_N)[0] == 0


def test_records_without_tags_are_shared_out_too() -> None:
    y_NK = np.zeros((100, 3), dtype=np.uint8)
    assert np.bincount(stratify(y_NK, FRACTIONS, seed=0)).tolist() == [70, 15, 15]


def test_too_few_records() -> None:
    with pytest.raises(SplitError, match="at least 3 different records to make 3 parts, found 2"):
        stratify(labels(5, 2), FRACTIONS, 0, np.array([0, 0, 1, 1, 1]))
    with pytest.raises(SplitError, match="found 0"):
        stratify(labels(0, 2), FRACTIONS, 0)
