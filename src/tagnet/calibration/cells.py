"""The cells of N records × K tags, looked at a block of tags at a time, so that no copy of all is ever made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_AT_ONCE = 2**22
"""Cells of a block; in float64 an array of them takes 32 MiB."""


class Block(NamedTuple):
    """Some of the columns, in float64."""

    tags: slice
    """Which of the K."""
    scores_NK: FloatArray
    y_NK: FloatArray
    """In [0, 1], 0 where it is not known."""
    known_NK: BoolArray


@dataclass(frozen=True)
class Cells:
    """Scores and labels of N records × K tags."""

    shape: tuple[int, int]
    scores_of: Callable[[slice], FloatArray]
    """The scores of some columns."""
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
        return cls((len(scores), scores.shape[1]), lambda tags: scores[:, tags].astype(np.float64), y, known)

    def blocks(self) -> Iterator[Block]:
        """All columns, some at a time."""
        num_records, num_tags = self.shape
        width = max(1, _AT_ONCE // max(1, num_records))
        for start in range(0, num_tags, width):
            tags = slice(start, min(start + width, num_tags))
            y_NK = self.y_NK[:, tags].astype(np.float64)
            if self.known_NK is None:
                known_NK = np.ones(y_NK.shape, dtype=bool)
            else:
                known_NK = self.known_NK[:, tags].astype(bool)
                y_NK = np.where(known_NK, y_NK, 0.0)
            yield Block(tags, self.scores_of(tags), y_NK, known_NK)
