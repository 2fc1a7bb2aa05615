"""The cells of N records × K tags, looked at a block at a time, so that no copy of all is ever made.

n records and k tags of a block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_AT_ONCE = 2**22
"""Cells of a block of tags; in float64 an array of them takes 32 MiB."""
_IN_CACHE = 2**18
"""Cells of a block of records, which many passes go over."""


class Block(NamedTuple):
    """Some of the rows or columns, in float64."""

    tags: slice
    """Which of the K."""
    scores_nk: FloatArray
    y_nk: FloatArray
    """In [0, 1], 0 where it is not known."""
    known_nk: BoolArray


@dataclass(frozen=True)
class Cells:
    """Scores and labels of N records × K tags."""

    shape: tuple[int, int]
    scores_of: Callable[[slice, slice], FloatArray]
    """The scores of some records and tags."""
    y_NK: NDArray[Any]
    """In [0, 1]."""
    known_NK: NDArray[Any] | None
    """None: all are known."""

    @classmethod
    def of(cls, name: str, scores_NK: ArrayLike, y_NK: ArrayLike, known_NK: ArrayLike | None) -> Cells:
        """Cells of arrays at hand.

        Raises:
            ValueError: the shapes differ; `name` is what the scores are called.
        """
        scores, y = np.asarray(scores_NK), np.asarray(y_NK)
        known = None if known_NK is None else np.asarray(known_NK)
        if scores.ndim != 2 or scores.shape != y.shape or (known is not None and known.shape != y.shape):
            found = f"{scores.shape}, {y.shape}, {scores.shape if known is None else known.shape}"
            raise ValueError(f"expected {name}, y and known of one shape (N, K), found {found}")
        return cls(
            shape=(len(scores), scores.shape[1]),
            scores_of=lambda records, tags: scores[records, tags].astype(np.float64),
            y_NK=y,
            known_NK=known,
        )

    def blocks(self) -> Iterator[Block]:
        """All records of some tags at a time: for what is found tag by tag."""
        num_records, num_tags = self.shape
        for tags in _slices(num_tags, _AT_ONCE // max(1, num_records)):
            yield self._block(slice(0, num_records), tags)

    def blocks_of_records(self) -> Iterator[Block]:
        """All tags of some records at a time: for sums over all cells."""
        num_records, num_tags = self.shape
        for records in _slices(num_records, _IN_CACHE // max(1, num_tags)):
            yield self._block(records, slice(0, num_tags))

    def _block(self, records: slice, tags: slice) -> Block:
        y_nk = self.y_NK[records, tags].astype(np.float64)
        if self.known_NK is None:
            known_nk = np.ones(y_nk.shape, dtype=bool)
        else:
            known_nk = self.known_NK[records, tags].astype(bool)
            y_nk = np.where(known_nk, y_nk, 0.0)
        return Block(tags, self.scores_of(records, tags), y_nk, known_nk)


def _slices(number: int, width: int) -> Iterator[slice]:
    width = max(1, width)
    for start in range(0, number, width):
        yield slice(start, min(start + width, number))
