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
    num_records = labels.shape[0]
    remaining_K = labels.counts_K()
    wanted_P: list[float] = (shares_P * num_records).tolist()
    wanted_PK: list[list[float]] = np.outer(shares_P, remaining_K).tolist()
    by_tag = labels.records_by_tag()
    waiting_N = np.ones(num_records, dtype=bool)
    part_N = np.zeros(num_records, dtype=np.int64)

    def draw(among: list[int]) -> int:
        most = max([wanted_P[part] for part in among])
        best = [part for part in among if wanted_P[part] == most]
        return best[random.choice(len(best))] if len(best) > 1 else best[0]

    while remaining_K.any():
        fewest = remaining_K[remaining_K > 0].min()
        scarcest = np.flatnonzero(remaining_K == fewest)
        tag = int(scarcest[random.choice(len(scarcest))] if len(scarcest) > 1 else scarcest[0])
        records = by_tag.tags[by_tag.starts[tag] : by_tag.starts[tag + 1]].astype(np.int64)
        records = records[waiting_N[records]]
        dealt = labels.take(records)
        tags, ends = dealt.tags.tolist(), dealt.starts[1:].tolist()
        wanted_of_tag = [wanted_K[tag] for wanted_K in wanted_PK]
        parts = []
        start = 0
        for end in ends:
            most = max(wanted_of_tag)
            if wanted_of_tag.count(most) == 1:
                part = wanted_of_tag.index(most)
            else:
                part = draw([each for each, wanted in enumerate(wanted_of_tag) if wanted == most])
            parts.append(part)
            wanted_K = wanted_PK[part]
            for each in tags[start:end]:
                wanted_K[each] -= 1
            wanted_of_tag[part] = wanted_K[tag]
            wanted_P[part] -= 1
            start = end
        part_N[records] = parts
        waiting_N[records] = False
        remaining_K -= dealt.counts_K()
    everywhere = list(range(len(wanted_P)))
    for record in np.flatnonzero(waiting_N).tolist():
        part_N[record] = part = draw(everywhere)
        wanted_P[part] -= 1
    return part_N
