"""The records of a pool that are most like the worst slices: what to label next. N records, P records of the pool."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tagnet.evaluation.slices.report import SliceRow

_MOST_SLICES = 5


def like_slices(bad: Sequence[SliceRow], texts: Sequence[str], pool: Sequence[str], number: int) -> NDArray[np.int64]:
    """Places in the pool, the worst slice's nearest first, taken in turns from the five worst slices.

    Likeness is the cosine of TF-IDF between a text of the pool and the nearest text of the slice.

    Args:
        bad: slices, the worst first.
        texts: of the N records that the slices are made of.
        pool: P texts.
        number: at most as many are given.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not bad or not pool:
        return np.zeros(0, dtype=np.int64)
    weights = TfidfVectorizer(sublinear_tf=True).fit_transform([*texts, *pool])
    own, others = weights[: len(texts)], weights[len(texts) :]
    queues = []
    for row in bad[:_MOST_SLICES]:
        likeness_P = np.asarray((others @ own[np.flatnonzero(row.member_N)].T).max(axis=1).todense()).ravel()
        queues.append(np.argsort(-likeness_P, kind="stable").tolist())
    chosen: dict[int, None] = {}
    while len(chosen) < min(number, len(pool)):
        for queue in queues:
            while queue and queue[0] in chosen:
                queue.pop(0)
            if queue and len(chosen) < number:
                chosen[queue.pop(0)] = None
    return np.array(list(chosen), dtype=np.int64)
