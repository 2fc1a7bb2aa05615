from __future__ import annotations

import numpy as np
import pytest

from tagnet.data.sides import Split, crossing_duplicates, split_quality, unseen_tags
from tagnet.errors import SplitError

# The counts of its 35 tags that the MadeWithML course printed for a naive split, with the measure that it printed.
COURSE_TRAIN = (
    "314 37 26 26 145 33 274 191 41 55 26 56 34 41 40 90 44 28 136 44 30 31 63 45 64 27 50 34 21 33 24 24 32 33 23"
)
COURSE_VAL = "58 8 4 2 29 8 53 33 7 9 4 11 9 10 11 20 7 2 42 13 12 4 14 14 17 3 7 6 3 3 5 7 10 7 4"
COURSE_TEST = "57 6 9 4 22 10 61 34 9 11 3 11 6 4 8 10 9 9 35 7 6 5 16 10 25 11 16 11 6 5 5 9 9 6 7"
COURSE_MEASURE = 9.936725114942407


def rows_with_counts(counts: str, num_records: int) -> np.ndarray:
    return np.stack([np.arange(num_records) < int(count) for count in counts.split()], axis=1)


def test_quality_is_the_measure_of_the_course() -> None:
    sizes = (1010, 217, 217)
    y_NK = np.concatenate(
        [rows_with_counts(c, n) for c, n in zip((COURSE_TRAIN, COURSE_VAL, COURSE_TEST), sizes, strict=True)]
    ).astype(np.uint8)
    split = Split(*np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:2]))
    assert split_quality(y_NK, split) == pytest.approx(COURSE_MEASURE, abs=1e-12)
    assert split_quality(y_NK, split, (0.7, 0.15, 0.15)) == pytest.approx(COURSE_MEASURE, abs=1e-12)


def test_quality_of_other_shares_scales_by_the_sizes_of_the_sides() -> None:
    y_NK = np.ones((100, 2), dtype=np.uint8)
    split = Split(np.arange(50), np.arange(50, 75), np.arange(75, 100))
    assert split_quality(y_NK, split) == 0
    assert split_quality(y_NK, split, (0.7, 0.15, 0.15)) > 30


def test_quality_counts_how_uneven_the_worst_split_is() -> None:
    y_NK = (np.arange(100) < 70)[:, None].astype(np.uint8)  # all of the tag in train
    split = Split(np.arange(70), np.arange(70, 85), np.arange(85, 100))
    assert split_quality(y_NK, split) == pytest.approx(np.std([70, 0, 0]))


def test_sides_are_sorted_and_share_nothing() -> None:
    assert Split(np.array([3, 1]), np.array([2]), np.array([0])).train.tolist() == [1, 3]
    with pytest.raises(SplitError, match="one side"):
        Split(np.array([0, 1]), np.array([1]), np.array([2]))


def test_crossing_duplicates_names_one_relative_for_each_later_record() -> None:
    split = Split(np.array([0, 1]), np.array([2, 3]), np.array([4, 5, 6]))
    groups = np.array([0, 0, 0, 1, 1, 1, 2])
    assert crossing_duplicates(groups, split) == [(0, 2), (3, 4), (3, 5)]
    assert crossing_duplicates(np.arange(7), split) == []


def test_duplicates_within_a_side_do_not_cross() -> None:
    split = Split(np.array([0]), np.array([1]), np.array([2, 3]))
    assert crossing_duplicates(np.array([0, 1, 2, 2]), split) == []


def test_unseen_tags() -> None:
    y_NK = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0]], dtype=np.uint8)
    assert unseen_tags(y_NK, Split(np.array([0]), np.array([1]), np.array([2])), ["a", "b", "c"]) == ["b"]
    assert unseen_tags(y_NK, Split(np.array([1]), np.array([0]), np.array([2])), ["a", "b", "c"]) == []
