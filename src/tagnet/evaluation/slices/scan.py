"""Neighbourhoods of like texts that go badly, wherever they lie: a scan over all centres. N records.

Clusters are drawn without regard to what goes badly, and cut through it; a scan statistic (Kulldorff, 1997) lays
windows of several sizes around every record and keeps the ones with most evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagnet.evaluation.slices.features import text_order, text_space

Floats = NDArray[np.float64]

_SHARES = (0.03, 0.06, 0.12)
"""Sizes of windows, as shares of the records that are scanned."""
_MOST_CENTRES = 2000
_MOST_FOUND = 5
_ALIKE = 0.3


@dataclass(frozen=True, eq=False)
class Window:
    """The records around one of them."""

    centre: int
    words: str
    """What sets them apart."""
    member_N: NDArray[np.bool_]


def scan(texts: Sequence[str], cost_N: Floats, seen_N: NDArray[np.bool_], min_size: int, seed: int) -> list[Window]:
    """The windows whose seen records cost most, by standard errors above the mean of all seen ones.

    Args:
        texts: of N records.
        cost_N: what each costs; only that of seen records is looked at.
        seen_N: the records that may be looked at, the others are there to test what is found.
        min_size: the fewest seen records of a window.
        seed: of the texts' space, and of the centres where there are more than two thousand.
    """
    if seen_N.sum() < 4 * min_size or np.ptp(cost_N[seen_N]) == 0:
        return []
    order = text_order(texts)
    space = text_space([texts[i] for i in order], seed)
    if space is None:
        return []
    weights_NF, points_ND, names = space
    cost, seen = cost_N[order], np.flatnonzero(seen_N[order])
    centres = seen
    if len(seen) > _MOST_CENTRES:
        centres = np.sort(np.random.default_rng(seed).choice(seen, _MOST_CENTRES, replace=False))
    likeness_CS = points_ND[centres] @ points_ND[seen].T
    nearest_CS = np.argsort(-likeness_CS, axis=1, kind="stable")
    sums_CS = (cost[seen] - cost[seen].mean())[nearest_CS].cumsum(1)
    sizes = sorted({max(min_size, int(share * len(seen))) for share in _SHARES})
    spread = float(cost[seen].std())
    scored = [
        (float(sums_CS[c, size - 1] / (spread * np.sqrt(size))), c, size)
        for size in sizes
        for c in range(len(centres))
        if sums_CS[c, size - 1] > 0
    ]
    found: list[NDArray[np.bool_]] = []
    windows = []
    for _, c, size in sorted(scored, key=lambda each: (-round(each[0], 9), each[1:])):
        edge = likeness_CS[c, nearest_CS[c, size - 1]]
        member = points_ND @ points_ND[centres[c]] >= edge - 1e-12
        if any((member & other).sum() / (member | other).sum() > _ALIKE for other in found):
            continue
        found.append(member)
        inside = np.asarray(weights_NF[member].mean(0)).ravel() - np.asarray(weights_NF.mean(0)).ravel()
        words = ", ".join(names[inside.argsort()[::-1][:4]])
        member_N = np.zeros(len(texts), dtype=bool)
        member_N[order[member]] = True
        windows.append(Window(int(order[centres[c]]), words, member_N))
        if len(windows) == _MOST_FOUND:
            break
    return windows
