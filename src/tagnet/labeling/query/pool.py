"""What is known of the records that wait for labels, as arrays.

Legend: N records of the pool, K tags, D width of an embedding, M labelled records, E members of an ensemble.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Pool:
    """N records that wait for labels, and what a model makes of them.

    Raises:
        ValueError: shapes do not belong together, or a number is not finite or not in its range.

    >>> pool = Pool(np.array([[0.9, 0.1], [0.5, 0.5]]), np.array([0.5, 0.5]), np.array([3, 0]))
    >>> pool.num_records, pool.num_tags, pool.open_N.tolist()
    (2, 2, [True, True])
    >>> Pool(np.array([[0.9, 0.1]]), np.array([0.5]), np.array([3, 0]))
    Traceback (most recent call last):
    ValueError: thresholds_K: expected the shape (2,), found (1,)
    """

    probs_NK: Floats
    """Calibrated probabilities, never logits."""
    thresholds_K: Floats
    """From which probability on a tag is accepted."""
    counts_K: NDArray[Any]
    """How many labelled records bear each tag."""
    embeddings_ND: NDArray[np.floating] | None = None
    """Vectors of the records; what diversity needs."""
    labelled_embeddings_MD: NDArray[np.floating] | None = None
    """Vectors of the labelled records; None: diversity starts from nothing."""
    members_ENK: Floats | None = None
    """The probabilities of each member of an ensemble; what disagreement needs."""
    known_NK: Bools | None = None
    """Cells that have been answered; None: none of them."""

    def __post_init__(self) -> None:
        if self.probs_NK.ndim != 2:
            raise ValueError(f"probs_NK: expected the shape (N, K), found {self.probs_NK.shape}")
        N, K = self.probs_NK.shape
        if K == 0:
            raise ValueError("probs_NK: expected at least one tag, found none")
        expected: Mapping[str, tuple[int | None, ...]] = {
            "thresholds_K": (K,),
            "counts_K": (K,),
            "embeddings_ND": (N, None),
            "labelled_embeddings_MD": (None, None),
            "members_ENK": (None, N, K),
            "known_NK": (N, K),
        }
        for name, shape in expected.items():
            array = getattr(self, name)
            if array is not None:
                _check_shape(name, array.shape, shape)
        if self.embeddings_ND is not None and self.labelled_embeddings_MD is not None:
            _check_shape(
                "labelled_embeddings_MD", self.labelled_embeddings_MD.shape, (None, self.embeddings_ND.shape[1])
            )
        for name in ("probs_NK", "members_ENK"):
            array = getattr(self, name)
            if array is not None and not (np.all(array >= 0) and np.all(array <= 1)):
                raise ValueError(f"{name}: expected probabilities in [0, 1], found others: logits?")
        for name in ("thresholds_K", "counts_K", "embeddings_ND", "labelled_embeddings_MD"):
            array = getattr(self, name)
            if array is not None and not np.isfinite(array).all():
                raise ValueError(f"{name}: expected finite numbers, found others")
        if np.any(self.counts_K < 0):
            raise ValueError(f"counts_K: expected at least 0 records of each tag, found {np.min(self.counts_K)}")
        if self.known_NK is not None and self.known_NK.dtype != np.bool_:
            raise ValueError(f"known_NK: expected a mask of booleans, found {self.known_NK.dtype}")

    @property
    def num_records(self) -> int:
        """N."""
        return len(self.probs_NK)

    @property
    def num_tags(self) -> int:
        """K."""
        return int(self.probs_NK.shape[1])

    @property
    def open_NK(self) -> Bools:
        """The cells that can still be asked."""
        return np.ones(self.probs_NK.shape, dtype=bool) if self.known_NK is None else ~self.known_NK

    @property
    def open_N(self) -> Bools:
        """The records of which at least one cell can still be asked."""
        return np.asarray(self.open_NK.any(axis=1))

    def take(self, rows: NDArray[np.integer]) -> Pool:
        """The pool of these rows, in this order."""
        return replace(
            self,
            probs_NK=self.probs_NK[rows],
            embeddings_ND=None if self.embeddings_ND is None else self.embeddings_ND[rows],
            members_ENK=None if self.members_ENK is None else self.members_ENK[:, rows],
            known_NK=None if self.known_NK is None else self.known_NK[rows],
        )


def _check_shape(name: str, found: tuple[int, ...], expected: tuple[int | None, ...]) -> None:
    if len(found) != len(expected) or any(e not in (None, f) for f, e in zip(found, expected, strict=True)):
        letters = [name.rsplit("_", 1)[1][i] if size is None else str(size) for i, size in enumerate(expected)]
        shown = ", ".join(letters) + ("," if len(letters) == 1 else "")
        raise ValueError(f"{name}: expected the shape ({shown}), found {found}")
