"""Iterative stratification: records dealt into parts so that every tag is shared out in proportion.

N records, K tags, P parts, G groups of records that stay together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from iterstrat.ml_stratifiers import IterativeStratification
from numpy.typing import NDArray

from tagnet.data.sides import scaled_counts
from tagnet.errors import SplitError

# One dealing costs about G·K² steps, and G times this many at least; as many are tried as take a few seconds.
_LEAST_STEPS = 2500
_STEPS = 5e8
_MOST_CANDIDATES = 16


def stratify(
    y_NK: NDArray[np.uint8], fractions: Sequence[float], seed: int, groups: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Deal records into P parts by iterative stratification (Sechidis et al., ECML PKDD 2011, algorithm 1).

    Records of a group are dealt as one, which bears the tags of any of them. Several dealings are drawn from the
    seed, and the one kept has the most even parts: the least mean deviation, over the tags and the number of records,
    of the counts that are scaled by the parts' shares.

    Args:
        y_NK: which record bears which tag; records without any are dealt too.
        fractions: the share of each part, P of them, which add up to 1.
        seed: the same seed gives the same parts.
        groups: (N,) the group of each record; None: each record on its own.

    Returns:
        The part of each record: (N,), from 0; no part is empty.

    Raises:
        SplitError: there are fewer groups than parts.
    """
    num_parts = len(fractions)
    if groups is None:
        groups = np.arange(len(y_NK), dtype=np.int64)
    _, group_N = np.unique(groups, return_inverse=True)
    num_groups = int(group_N.max()) + 1 if len(group_N) else 0
    if num_groups < num_parts:
        raise SplitError(
            f"expected at least {num_parts} different records to make {num_parts} parts, found {num_groups}\n"
            "(near-identical records count once); add records, or set split.duplicate_similarity=null"
        )
    order_N = np.argsort(group_N, kind="stable")
    starts_G = np.searchsorted(group_N[order_N], np.arange(num_groups))
    y_GK = np.logical_or.reduceat(y_NK[order_N].astype(bool), starts_G, axis=0)
    shares_P = np.asarray(fractions, dtype=np.float64) / np.sum(fractions)

    best: tuple[float, NDArray[np.int64]] | None = None
    steps = num_groups * max(_LEAST_STEPS, y_NK.shape[1] ** 2)
    for candidate in range(int(np.clip(_STEPS // steps, 1, _MOST_CANDIDATES))):
        random = np.random.RandomState(np.random.SeedSequence([seed, candidate]).generate_state(1))
        part_G = _fill_empty(_deal(y_GK, shares_P, random), num_parts)
        part_N = part_G[group_N]
        deviation = _deviation(y_NK, part_N, shares_P)
        if best is None or deviation < best[0]:
            best = (deviation, part_N)
    assert best is not None
    return best[1]


def _deviation(y_NK: NDArray[np.uint8], part_N: NDArray[np.int64], shares_P: NDArray[np.float64]) -> float:
    # The number of records counts as one more tag, which all of them bear.
    parts = [y_NK[part_N == part] for part in range(len(shares_P))]
    counts_PK = np.stack([np.append(y.sum(axis=0, dtype=np.int64), len(y)) for y in parts]).astype(np.float64)
    return float(scaled_counts(counts_PK, shares_P.tolist()).std(axis=0).mean())


def _deal(y_GK: NDArray[np.bool_], shares_P: NDArray[np.float64], random: np.random.RandomState) -> NDArray[np.int64]:
    # Shuffled, for the algorithm deals the records of a tag in their order, and files are often sorted by date.
    order_G = random.permutation(len(y_GK))
    part_G = np.empty(len(y_GK), dtype=np.int64)
    part_G[order_G] = IterativeStratification(y_GK[order_G], shares_P.copy(), random)
    return part_G


def _fill_empty(part_G: NDArray[np.int64], num_parts: int) -> NDArray[np.int64]:
    """Give each empty part one group of the largest part: in a tiny corpus a share can come to less than one."""
    for part in range(num_parts):
        sizes = np.bincount(part_G, minlength=num_parts)
        if sizes[part] == 0:
            part_G[np.flatnonzero(part_G == sizes.argmax())[-1]] = part
    return part_G
