"""The sides of a split, and how well they match.

N records, K tags. All indices count the records of a prepared corpus from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagnet.errors import SplitError
from tagnet.records.sparse_labels import SparseLabels

COURSE_FRACTIONS = (0.7, 0.15, 0.15)
"""The shares that the MadeWithML course asked for."""
_NEAR_COURSE = 0.01


@dataclass(frozen=True)
class Split:
    """Three sides without a record in common; a record may be on none of them.

    >>> Split(np.array([2, 0]), np.array([1]), np.array([3])).train.tolist()
    [0, 2]
    """

    train: NDArray[np.int64]
    """Indices, sorted."""
    val: NDArray[np.int64]
    """Indices, sorted."""
    test: NDArray[np.int64]
    """Indices, sorted."""

    def __post_init__(self) -> None:
        for side in ("train", "val", "test"):
            object.__setattr__(self, side, np.sort(np.asarray(getattr(self, side), dtype=np.int64)))
        everything = np.sort(np.concatenate([self.train, self.val, self.test]))
        if (everything[1:] == everything[:-1]).any():
            raise SplitError("expected each record on one side of the split, found one on two")

    @classmethod
    def from_parts(cls, part_N: NDArray[np.int64]) -> Split:
        """The split whose record i is in train (0), validation (1) or test (2)."""
        return cls(*(np.flatnonzero(part_N == part) for part in range(3)))

    def sides(self) -> dict[str, NDArray[np.int64]]:
        """The three sides by name."""
        return {"train": self.train, "val": self.val, "test": self.test}


def scaled_counts(counts_PK: NDArray[np.float64], fractions: Sequence[float]) -> NDArray[np.float64]:
    """Counts of each part, scaled to the first part's share: (P, K).

    >>> scaled_counts(np.array([[70.0], [14.0], [15.0]]), [0.7, 0.15, 0.15]).round(1).tolist()
    [[70.0], [65.3], [70.0]]
    """
    shares_P = np.asarray(fractions, dtype=np.float64)
    scaled_PK: NDArray[np.float64] = counts_PK * (shares_P[0] / shares_P)[:, None]
    return scaled_PK


def split_quality(y_NK: NDArray[np.uint8], split: Split, fractions: Sequence[float] | None = None) -> float:
    """The measure of the MadeWithML course; smaller is better, 0 is an even split.

    Counts of each tag in validation and test are scaled to train's share and cut to whole numbers; the measure is the
    mean over tags of their (population) standard deviation over the three sides. Its unit is records of train.

    The course scales by the shares it asked for, .7, .15 and .15, not by the sizes it got. So does this function
    where no fractions are given and each side is within a hundredth of these shares, which makes the figure
    comparable with the published ones (naive 9.937, 8.827, 9.623; iterative 3.142, 3.264, 3.560); other splits are
    scaled by their own sizes.

    Args:
        y_NK: which record bears which tag.
        split: no side of it is empty.
        fractions: the shares that train, validation and test were to have.

    >>> y_NK = np.ones((20, 1), dtype=np.uint8)
    >>> split_quality(y_NK, Split(np.arange(14), np.arange(14, 17), np.arange(17, 20)))
    0.0
    """
    sides = list(split.sides().values())
    if fractions is None:
        sizes = np.array([len(side) for side in sides], dtype=np.float64)
        shares = sizes / sizes.sum()
        near = np.abs(shares - COURSE_FRACTIONS).max() <= _NEAR_COURSE
        fractions = COURSE_FRACTIONS if near else shares.tolist()
    counts_PK = np.stack([y_NK[side].sum(axis=0, dtype=np.int64) for side in sides]).astype(np.float64)
    # A hair's breadth, for 3 · (.7 / .15) must not be cut from 14 to 13.
    scaled_PK = np.floor(scaled_counts(counts_PK, fractions) + 1e-9)
    return float(scaled_PK.std(axis=0).mean())


def crossing_duplicates(groups: NDArray[np.int64], split: Split) -> list[tuple[int, int]]:
    """Near-identical records on two sides: each of validation or test with one like it on an earlier side.

    Args:
        groups: (N,) from `duplicate_groups`.
        split: the sides, in the order train, validation, test.

    Returns:
        Pairs (index on the earlier side, index on the later side): one pair for each record that has seen relatives.

    >>> split = Split(np.array([0, 1]), np.array([2]), np.array([3, 4]))
    >>> crossing_duplicates(np.array([0, 1, 2, 0, 2]), split)
    [(0, 3), (2, 4)]
    """
    first_of_group: dict[int, int] = {}
    pairs = []
    for side in split.sides().values():
        new: dict[int, int] = {}
        for index in side.tolist():
            group = int(groups[index])
            if group in first_of_group:
                pairs.append((first_of_group[group], index))
            else:
                new.setdefault(group, index)
        first_of_group.update(new)
    return pairs


def unseen_tags(y_NK: NDArray[np.uint8] | SparseLabels, split: Split, tags: Sequence[str]) -> list[str]:
    """Tags that validation or test bears and train does not."""
    labels = y_NK if isinstance(y_NK, SparseLabels) else SparseLabels.from_dense(y_NK)
    later_K = labels.take(np.concatenate([split.val, split.test])).counts_K() > 0
    return [tags[column] for column in np.flatnonzero(later_K & (labels.take(split.train).counts_K() == 0)).tolist()]
