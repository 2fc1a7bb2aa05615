"""Finders of slices: which conjunctions of conditions hold records that go badly. N records, C conditions.

Each takes what each record costs and which conditions it meets, and gives conjunctions, the worst first. What they find
is a guess: `report.slice_report` checks it on records that the finder has not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from tagnet.errors import ConfigError, MissingExtraError, nearest

Floats = NDArray[np.float64]
Members = NDArray[np.bool_]
Conjunction = tuple[int, ...]
"""Columns of the conditions, ascending."""

_MOST_FOUND = 40
_BEAM = 40
_DEPTH = 3


def evidence(member_NS: Members, cost_N: Floats) -> Floats:
    """How far the mean cost of slices lies above that of all, in standard errors of a slice drawn at random: (S,).

    >>> member = np.array([[True], [True], [False], [False]])
    >>> evidence(member, np.array([1.0, 1.0, 0.0, 0.0])).round(2).tolist()
    [1.73]
    """
    num_records = len(cost_N)
    size_S = member_NS.sum(0).astype(np.float64)
    spread = float(cost_N.std(ddof=1)) if num_records > 1 else 0.0
    mean_S = (cost_N @ member_NS) / np.maximum(size_S, 1)
    rest = np.maximum(num_records - size_S, 0) / max(num_records, 1)
    error_S = spread * np.sqrt(rest / np.maximum(size_S, 1))
    gap_S = np.where(size_S > 0, mean_S - cost_N.mean() if num_records else 0.0, 0.0)
    return np.asarray(np.divide(gap_S, error_S, out=np.zeros_like(gap_S), where=error_S > 0), dtype=np.float64)


def find_single(member_NC: Members, cost_N: Floats, min_size: int, seed: int) -> list[Conjunction]:
    """Each condition for itself."""
    score_C = _scores(member_NC, cost_N, min_size)
    found: list[Conjunction] = [(int(c),) for c in _ranked(score_C, seed) if score_C[c] > 0]
    return found[:_MOST_FOUND]


def find_lattice(member_NC: Members, cost_N: Floats, min_size: int, seed: int) -> list[Conjunction]:
    """Conjunctions of up to three conditions: the best of one length are narrowed by one more condition, as a beam.

    A narrower slice is kept only where it says more than each of its parents does (Chung et al., "Slice Finder", ICDE
    2019, section 3: of two slices that are as bad, the larger one is what people can use).
    """
    num_conditions = member_NC.shape[1]
    score_C = _scores(member_NC, cost_N, min_size)
    found: dict[Conjunction, float] = {(int(c),): float(score_C[c]) for c in range(num_conditions) if score_C[c] > 0}
    beam = sorted(found, key=lambda each: (-found[each], each))[:_BEAM]
    for _ in range(_DEPTH - 1):
        wider: dict[Conjunction, float] = {}
        for parent in beam:
            inside_N = np.asarray(member_NC[:, list(parent)].all(1))
            score_C = _scores(member_NC & inside_N[:, None], cost_N, min_size)
            for c in np.flatnonzero(score_C > found[parent]):
                child = tuple(sorted({*parent, int(c)}))
                if len(child) > len(parent):
                    wider[child] = float(score_C[c])
        if not wider:
            break
        found |= wider
        beam = sorted(wider, key=lambda each: (-wider[each], each))[:_BEAM]
    # Ties between different conjunctions go by the seed.
    rank = np.random.default_rng(seed).permutation(num_conditions)
    return sorted(found, key=lambda each: (-round(found[each], 9), len(each), [rank[c] for c in each]))[:_MOST_FOUND]


def find_tree(member_NC: Members, cost_N: Floats, min_size: int, seed: int) -> list[Conjunction]:
    """The leaves of a regression tree of cost, by the conditions that are met on the way to them."""
    from sklearn.tree import DecisionTreeRegressor

    if len(cost_N) < 2 * min_size or not member_NC.shape[1]:
        return []
    tree = DecisionTreeRegressor(max_depth=4, min_samples_leaf=min_size, random_state=seed)
    tree.fit(member_NC, cost_N)
    found: dict[Conjunction, None] = {}

    def walk(node: int, met: Conjunction) -> None:
        condition = int(tree.tree_.feature[node])
        if condition < 0:
            if met:
                found[tuple(sorted(met))] = None
            return
        walk(int(tree.tree_.children_left[node]), met)  # not met: says nothing that a conjunction could
        walk(int(tree.tree_.children_right[node]), (*met, condition))

    walk(0, ())
    leaves = list(found)
    member_NS = np.stack([member_NC[:, list(each)].all(1) for each in leaves], axis=1) if leaves else member_NC[:, :0]
    score_S = _scores(member_NS, cost_N, min_size)
    return [leaves[s] for s in np.argsort(-score_S, kind="stable") if score_S[s] > 0]


def find_sliceline(member_NC: Members, cost_N: Floats, min_size: int, seed: int) -> list[Conjunction]:
    """SliceLine (Sagadeeva & Boehm, SIGMOD 2021), of the package sliceline: exact, by linear algebra.

    Raises:
        MissingExtraError: the package is not installed.
    """
    if find_spec("sliceline") is None:
        raise MissingExtraError(
            "--finder sliceline needs the package sliceline, which is not installed.\n"
            "Install it with: pip install 'tagnet[slices]'"
        )
    from sliceline import Slicefinder

    if len(cost_N) < 2 * min_size or not member_NC.shape[1] or np.ptp(cost_N) == 0:
        return []
    # Its errors are not negative, and conditions that are not met are values as well: only the met ones are ours.
    errors_N = cost_N - cost_N.min()
    finder = Slicefinder(alpha=0.95, k=_MOST_FOUND, max_l=2, min_sup=min_size, verbose=False)
    finder.fit(member_NC.astype(np.int64), errors_N)
    found: dict[Conjunction, None] = {}
    for row in finder.top_slices_:
        met = tuple(c for c, value in enumerate(row) if value == 1)
        if met:
            found[met] = None
    return list(found)


FINDERS: dict[str, Callable[[Members, Floats, int, int], list[Conjunction]]] = {
    "single": find_single,
    "lattice": find_lattice,
    "tree": find_tree,
    "sliceline": find_sliceline,
}
"""Name → finder of (members (N, C), costs (N,), smallest size, seed)."""
DEFAULT_FINDER = "lattice"


def find(name: str, member_NC: Members, cost_N: Floats, min_size: int, seed: int = 0) -> list[Conjunction]:
    """The conjunctions that a finder finds, the worst first; none that fewer than `min_size` records meet.

    Raises:
        ConfigError: there is no such finder.
        MissingExtraError: it needs a package that is not installed.
        ValueError: costs and conditions are of different records.
    """
    if name not in FINDERS:
        raise ConfigError(f"--finder: expected {', '.join(FINDERS)}; found {name!r}{nearest(name, FINDERS)}")
    if member_NC.ndim != 2 or len(member_NC) != len(cost_N):
        raise ValueError(f"expected conditions of {len(cost_N)} records, found {member_NC.shape}")
    found = FINDERS[name](member_NC, cost_N, min_size, seed) if len(cost_N) else []
    return [each for each in found if member_NC[:, list(each)].all(1).sum() >= min_size]


def _scores(member_NS: Members, cost_N: Floats, min_size: int) -> Floats:
    return np.where(member_NS.sum(0) >= min_size, evidence(member_NS, cost_N), -np.inf)


def _ranked(score_C: Floats, seed: int) -> NDArray[np.int64]:
    """Best first, ties by the seed."""
    rank = np.random.default_rng(seed).permutation(len(score_C))
    return np.lexsort((rank, -np.round(score_C, 9)))
