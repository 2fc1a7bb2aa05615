"""Ragged rows in flat arrays: one row after the other, and where each starts."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

UInts = NDArray[np.uint64]
Ints = NDArray[np.int64]
_Number = TypeVar("_Number", bound=np.generic)


def starts_of(sizes: Ints) -> Ints:
    """Where rows of these sizes start, one after the other, and where the last one ends.

    >>> starts_of(np.array([2, 0, 3])).tolist()
    [0, 2, 2, 5]
    """
    starts = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(sizes, out=starts[1:])
    return starts


def take_rows(values: NDArray[_Number], starts: Ints, rows: Ints) -> tuple[NDArray[_Number], Ints]:
    """The rows of these numbers, one after the other, and where they start.

    >>> take_rows(np.array([7, 8, 9]), np.array([0, 1, 3]), np.array([1, 0, 1]))
    (array([8, 9, 7, 8, 9]), array([0, 2, 3, 5]))
    """
    sizes = starts[rows + 1] - starts[rows]
    taken = starts_of(sizes)
    places = np.arange(taken[-1]) + np.repeat(starts[rows] - taken[:-1], sizes)
    return values[places], taken


def sort_rows(values: UInts, starts: Ints) -> None:
    """Sort each row where it stands; rows of one length are sorted together.

    >>> values = np.array([3, 1, 9, 2, 5], dtype=np.uint64)
    >>> sort_rows(values, np.array([0, 2, 5]))
    >>> values.tolist()
    [1, 3, 2, 5, 9]
    """
    sizes = np.diff(starts)
    order = np.argsort(sizes, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(sizes[order])) + 1):
        if len(rows) and sizes[rows[0]] > 1:
            places = starts[rows][:, None] + np.arange(sizes[rows[0]])
            values[places] = np.sort(values[places], axis=1)
