"""Batches that spread over the embeddings: core-set, coverage, k-means.

Embeddings are brought to length 1, so that distances are those of directions.

Legend: N records, D width, R records that stand for all, M labelled records.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from tagnet.labeling.query.pool import Floats, Pool

MOST_REFERENCES = 2000
"""Records that coverage is measured on; more of them change little, and cost in proportion."""


class CoreSet:
    """Distance to the nearest record that is taken or labelled (Sener & Savarese 2018, algorithm 1).

    Where nothing is labelled, all distances start from the mean of the pool.
    """

    def __init__(self, pool: Pool) -> None:
        self._units_ND, labelled_MD = unit_embeddings(pool)
        start_MD = labelled_MD if len(labelled_MD) else self._units_ND.mean(axis=0, keepdims=True)
        self._nearest_N = np.full(len(self._units_ND), np.inf)
        for start in range(0, len(start_MD), 1024):
            products = self._units_ND @ start_MD[start : start + 1024].T
            lengths = (start_MD[start : start + 1024] ** 2).sum(axis=1)
            self._nearest_N = np.minimum(self._nearest_N, _root(1 + lengths - 2 * products).min(axis=1))

    def gains(self) -> Floats:
        """The distance of each record, (N,)."""
        return self._nearest_N

    def add(self, row: int) -> None:
        """Measure distances from this record, too."""
        self._nearest_N = np.minimum(self._nearest_N, _root(2 - 2 * self._units_ND @ self._units_ND[row]))


class Coverage:
    """Facility location: how much nearer the pool comes to what is taken or labelled (Wei, Iyer & Bilmes 2015, §3).

    A record covers another by their cosine, at least 0. The gain is the mean over the references of what a record
    covers better than anything before; references are the pool itself, or `MOST_REFERENCES` of it.
    """

    def __init__(self, pool: Pool) -> None:
        units_ND, labelled_MD = unit_embeddings(pool)
        self._references_RD = units_ND[:MOST_REFERENCES]
        self._units_ND = units_ND
        self._similar_NR = np.maximum(0.0, (units_ND @ self._references_RD.T).astype(np.float32))
        self._covered_R = np.zeros(len(self._references_RD), dtype=np.float32)
        for start in range(0, len(labelled_MD), 1024):
            near_R = (labelled_MD[start : start + 1024] @ self._references_RD.T).max(axis=0)
            self._covered_R = np.maximum(self._covered_R, near_R.astype(np.float32))

    def gains(self) -> Floats:
        """What each record would cover better, mean over the references, (N,)."""
        better_NR = np.maximum(0.0, self._similar_NR - self._covered_R)
        return np.asarray(better_NR.mean(axis=1, dtype=np.float64))

    def add(self, row: int) -> None:
        """Count what this record covers."""
        self._covered_R = np.maximum(self._covered_R, self._similar_NR[row])


def k_means_rows(
    pool: Pool, scores_N: Floats, candidates: NDArray[np.intp], batch_size: int, seed: int
) -> NDArray[np.intp]:
    """The candidate nearest to each of `batch_size` centres, weighted by their scores (Zhdanov 2019, §3).

    Centres may share their nearest candidate, and equal embeddings make fewer centres; the best scores that are left
    fill up.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    size = min(batch_size, len(candidates))
    if size == len(candidates):
        return candidates[np.argsort(-scores_N[candidates], kind="stable")]
    points_CD = unit_embeddings(pool)[0][candidates]
    weights_C = scores_N[candidates] if scores_N[candidates].sum() > 0 else np.ones(len(candidates))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # equal embeddings: fewer clusters than centres
        fitted = KMeans(size, n_init=1, random_state=seed).fit(points_CD, sample_weight=weights_C)
    squares_CS = fitted.transform(points_CD)
    nearest = dict.fromkeys(int(place) for place in squares_CS.argmin(axis=0))
    by_score = np.argsort(-scores_N[candidates], kind="stable")
    chosen = list(dict.fromkeys([*nearest, *(int(place) for place in by_score)]))[:size]
    chosen.sort(key=lambda place: -scores_N[candidates[place]])
    return candidates[np.array(chosen, dtype=np.intp)]


def unit_embeddings(pool: Pool) -> tuple[Floats, Floats]:
    """Embeddings of the pool and of the labelled records, each of length 1 or all 0: (N, D), (M, D)."""
    if pool.embeddings_ND is None:
        raise ValueError("embeddings_ND: expected the vectors of the pool, found none")
    labelled_MD = pool.labelled_embeddings_MD
    if labelled_MD is None:
        labelled_MD = np.zeros((0, pool.embeddings_ND.shape[1]))
    return _units(pool.embeddings_ND), _units(labelled_MD)


def _units(vectors_ND: NDArray[np.floating]) -> Floats:
    lengths_N1 = np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    return np.asarray(vectors_ND / np.where(lengths_N1 > 0, lengths_N1, 1), dtype=np.float64)


def _root(squares: Floats) -> Floats:
    return np.sqrt(np.maximum(0.0, squares))
