"""Iterative stratification on sparse labels: the package's own dealing, record for record.

Its time grows with the number of labels that records bear, not with records × tags.

N records, K tags, P parts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tagnet.records.sparse_labels import SparseLabels


def deal(labels: SparseLabels, shares_P: NDArray[np.float64], random: np.random.RandomState) -> NDArray[np.int64]:
    """Deal records into parts (Sechidis et al., ECML PKDD 2011, algorithm 1): (N,), from 0.

    What the `iterative-stratification` package's `IterativeStratification` gives for the same labels, shares and random
    state, draw for draw; it looks through all records and tags for each tag.

    Args:
        labels: of N records.
        shares_P: of each part; they add up to 1.
        random: breaks ties.

    >>> labels = SparseLabels.from_dense(np.array([[1, 0], [1, 1], [0, 1], [0, 0]], dtype=np.uint8))
    >>> np.bincount(deal(labels, np.array([0.5, 0.5]), np.random.RandomState(0))).tolist()
    [2, 2]
    """
    num_records, num_tags = labels.shape
    remaining_K = labels.counts_K()
    wanted_P: list[float] = (shares_P * num_records).tolist()
    wanted_KP: list[list[float]] = np.outer(shares_P, remaining_K).T.tolist()
    tags_of = np.split(labels.tags, labels.starts[1:-1])
    by_tag = labels.records_by_tag()
    waiting_N = np.ones(num_records, dtype=bool)
    part_N = np.zeros(num_records, dtype=np.int64)
    parts = range(len(wanted_P))

    def pick(wanted: list[float], among: list[int]) -> list[int]:
        most = max([wanted[part] for part in among])
        return [part for part in among if wanted[part] == most]

    while remaining_K.any():
        fewest = remaining_K[remaining_K > 0].min()
        scarcest = np.flatnonzero(remaining_K == fewest)
        tag = int(scarcest[random.choice(len(scarcest))] if len(scarcest) > 1 else scarcest[0])
        records = by_tag.tags[by_tag.starts[tag] : by_tag.starts[tag + 1]]
        records = records[waiting_N[records]]
        wanted_of_tag = wanted_KP[tag]
        for record in records.tolist():
            best = pick(wanted_of_tag, list(parts))
            if len(best) > 1:
                best = pick(wanted_P, best)
            part = best[random.choice(len(best))] if len(best) > 1 else best[0]
            part_N[record] = part
            for each in tags_of[record].tolist():
                wanted_KP[each][part] -= 1
            wanted_P[part] -= 1
        waiting_N[records] = False
        dealt = labels.take(records.astype(np.int64))
        remaining_K -= np.bincount(dealt.tags, minlength=num_tags)
    for record in np.flatnonzero(waiting_N).tolist():
        best = pick(wanted_P, list(parts))
        part = best[random.choice(len(best))] if len(best) > 1 else best[0]
        part_N[record] = part
        wanted_P[part] -= 1
    return part_N
