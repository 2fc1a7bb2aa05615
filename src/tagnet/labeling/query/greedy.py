"""Batches that are filled one record after the other, each where it adds most.

An `Objective` says what every record would add to what has been taken. Static scores, scarce tags and diversity are
objectives alike, so that any can be combined with any.

Legend: N records, K tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tagnet.labeling.query.pool import Floats, Pool

_WORTH = -1.5


class Objective(Protocol):
    """What is to be gained from records, given those already taken."""

    def gains(self) -> Floats:
        """What each record would add now, (N,), at least 0."""
        ...

    def add(self, row: int) -> None:
        """Take a record."""
        ...


class StaticScores:
    """Scores that do not change as records are taken."""

    def __init__(self, scores_N: Floats) -> None:
        self._scores_N = scores_N

    def gains(self) -> Floats:
        """The scores."""
        return self._scores_N

    def add(self, row: int) -> None:
        """Nothing."""


class ScarceGain:
    """Expected gain for tags of which few are labelled: Σ_k p_k (1 − p_k) (1 + positives of k so far)^(−3/2).

    p (1 − p) is the chance of a positive, times how little the model expected it: a positive of which it is sure
    teaches nothing. Errors fall like the root of the positives, so that one more is worth their power −3/2. The
    positives that a taken record is expected to bring are counted with the labelled ones, so that a batch is not filled
    with one tag.
    """

    def __init__(self, pool: Pool) -> None:
        self._expected_NK = pool.probs_NK * pool.open_NK
        self._surprise_NK = self._expected_NK * (1 - pool.probs_NK)
        self._counts_K = pool.counts_K.astype(np.float64)

    def gains(self) -> Floats:
        """Expected gain of each record, (N,)."""
        return np.asarray(self._surprise_NK @ (1 + self._counts_K) ** _WORTH)

    def add(self, row: int) -> None:
        """Count the positives that the record is expected to bring."""
        self._counts_K = self._counts_K + self._expected_NK[row]


def scarce_cells(pool: Pool) -> Floats:
    """Expected gain of each cell, p (1 − p) (1 + positives of the tag)^(−3/2), (N, K)."""
    return np.asarray(pool.probs_NK * (1 - pool.probs_NK) * pool.open_NK * (1.0 + pool.counts_K) ** _WORTH)


def fill_scarce_cells(pool: Pool, candidates: NDArray[np.intp], wanted: int) -> NDArray[np.intp]:
    """Cells filled one after the other by `scarce_cells`, each expected positive counted, so that tags take turns.

    Args:
        pool: N records.
        candidates: places among the N · K cells, row by row; of equals the first is taken.
        wanted: how many; there are at least as many candidates.

    >>> pool = Pool(np.array([[0.6, 0.3], [0.5, 0.1]]), np.array([0.5, 0.5]), np.array([0, 0]))
    >>> fill_scarce_cells(pool, np.arange(4), 2).tolist()
    [2, 1]
    """
    probs, tags = pool.probs_NK.ravel()[candidates], candidates % pool.num_tags
    worth = probs * (1 - probs)
    order = np.argsort(-worth, kind="stable")
    queues = [order[tags[order] == k] for k in range(pool.num_tags)]
    counts_K, done_K, taken = pool.counts_K.astype(np.float64), np.zeros(pool.num_tags, dtype=np.intp), []
    for _ in range(wanted):
        heads = [queue[done] if done < len(queue) else -1 for queue, done in zip(queues, done_K, strict=True)]
        gains_K = np.where(np.array(heads) >= 0, worth[heads] * (1 + counts_K) ** _WORTH, -1.0)
        k = int(np.argmax(gains_K))
        taken.append(candidates[heads[k]])
        counts_K[k] += probs[heads[k]]
        done_K[k] += 1
    return np.array(taken, dtype=np.intp)


class Product:
    """Several objectives at once: what a record adds is the product of what it adds to each."""

    def __init__(self, parts: Sequence[Objective]) -> None:
        self._parts = parts

    def gains(self) -> Floats:
        """The product, (N,)."""
        return np.asarray(np.prod([part.gains() for part in self._parts], axis=0))

    def add(self, row: int) -> None:
        """Take a record in every part."""
        for part in self._parts:
            part.add(row)


def fill(objective: Objective, candidates: NDArray[np.intp], batch_size: int) -> NDArray[np.intp]:
    """Take up to `batch_size` of the candidates, each where it adds most; of equals the first.

    >>> fill(StaticScores(np.array([0.1, 0.9, 0.5])), np.array([0, 1, 2]), 2).tolist()
    [1, 2]
    """
    left, taken = candidates.copy(), []
    for _ in range(min(batch_size, len(candidates))):
        place = int(np.argmax(objective.gains()[left]))
        row = int(left[place])
        objective.add(row)
        taken.append(row)
        left = np.delete(left, place)
    return np.array(taken, dtype=np.intp)
