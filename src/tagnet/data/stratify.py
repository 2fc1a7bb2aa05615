"""Iterative stratification: records dealt into parts so that every tag is shared out in proportion.

N records, K tags, P parts, G groups of records that stay together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tagnet.data.deal import deal
from tagnet.data.sides import scaled_counts
from tagnet.errors import SplitError
from tagnet.records.sparse_labels import SparseLabels

# The package's dealing costs about G·K² steps, and G times this many at least. Ours is quicker, but as many are tried
# as the package could in a few seconds: another number would be another split.
_LEAST_STEPS = 2500
_STEPS = 5e8
_MOST_CANDIDATES = 16


def stratify(
    y_NK: NDArray[np.uint8] | SparseLabels,
    fractions: Sequence[float],
    seed: int,
    groups: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Deal records into P parts by iterative stratification (Sechidis et al., ECML PKDD 2011, algorithm 1).

    Records of a group are dealt as one, which bears the tags of any of them. Several dealings are drawn from the
    seed, and the one kept has the most even parts: the least mean deviation, over the tags and the number of records,
    of the counts that are scaled by the parts' shares.

    Args:
        y_NK: which record bears which tag, (N, K) or sparse; records without any are dealt too.
        fractions: the share of each part, P of them, which add up to 1.
        seed: the same seed gives the same parts.
        groups: (N,) the group of each record; None: each record on its own.

    Returns:
        The part of each record: (N,), from 0; no part is empty.

    Raises:
        SplitError: there are fewer groups than parts.
    """
    num_parts = len(fractions)
    labels = y_NK if isinstance(y_NK, SparseLabels) else SparseLabels.from_dense(y_NK)
    num_records, num_tags = labels.shape
    if groups is None:
        groups = np.arange(num_records, dtype=np.int64)
    _, group_N = np.unique(groups, return_inverse=True)
    num_groups = int(group_N.max()) + 1 if len(group_N) else 0
    if num_groups < num_parts:
        raise SplitError(
            f"expected at least {num_parts} different records to make {num_parts} parts, found {num_groups}\n"
            "(near-identical records count once); add records, or set split.duplicate_similarity=null"
        )
    grouped = labels.grouped(group_N, num_groups)
    shares_P = np.asarray(fractions, dtype=np.float64) / np.sum(fractions)

    best: tuple[float, NDArray[np.int64]] | None = None
    steps = num_groups * max(_LEAST_STEPS, num_tags**2)
    for candidate in range(int(np.clip(_STEPS // steps, 1, _MOST_CANDIDATES))):
        random = np.random.RandomState(np.random.SeedSequence([seed, candidate]).generate_state(1))
        part_G = _fill_empty(_deal(grouped, shares_P, random), num_parts)
        part_N = part_G[group_N]
        deviation = _deviation(labels, part_N, shares_P)
        if best is None or deviation < best[0]:
            best = (deviation, part_N)
    assert best is not None
    return best[1]


def _deviation(labels: SparseLabels, part_N: NDArray[np.int64], shares_P: NDArray[np.float64]) -> float:
    num_parts, num_tags = len(shares_P), labels.num_tags
    cells = part_N[labels.rows()] * num_tags + labels.tags
    counts_PK = np.bincount(cells, minlength=num_parts * num_tags).reshape(num_parts, num_tags)
    # The number of records counts as one more tag, which all of them bear.
    sizes_P1 = np.bincount(part_N, minlength=num_parts)[:, None]
    counts = np.concatenate([counts_PK, sizes_P1], axis=1).astype(np.float64)
    return float(scaled_counts(counts, shares_P.tolist()).std(axis=0).mean())


def _deal(labels: SparseLabels, shares_P: NDArray[np.float64], random: np.random.RandomState) -> NDArray[np.int64]:
    # Shuffled, for the algorithm deals the records of a tag in their order, and files are often sorted by date.
    order_G = random.permutation(labels.shape[0])
    part_G = np.empty(len(order_G), dtype=np.int64)
    part_G[order_G] = deal(labels.take(order_G), shares_P, random)
    return part_G


def _fill_empty(part_G: NDArray[np.int64], num_parts: int) -> NDArray[np.int64]:
    """Give each empty part one group of the largest part: in a tiny corpus a share can come to less than one."""
    for part in range(num_parts):
        sizes = np.bincount(part_G, minlength=num_parts)
        if sizes[part] == 0:
            part_G[np.flatnonzero(part_G == sizes.argmax())[-1]] = part
    return part_G
