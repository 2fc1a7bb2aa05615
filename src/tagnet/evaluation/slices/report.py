"""Slices measured: size, quality with intervals, evidence, and what is left of it after many comparisons.

Legend: N records, K tags, S slices, D draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from tagnet.evaluation.slices.features import Condition
from tagnet.evaluation.slices.find import Conjunction, evidence, find
from tagnet.evaluation.slices.judged import Judged
from tagnet.evaluation.slices.scan import scan

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_PERMUTATIONS = 4999
_SAMPLES = 1000
_ALIKE = 0.6
"""Slices that share at least this part of their records (Jaccard) are told once, by the one with more evidence."""


@dataclass(frozen=True, eq=False)
class Slice:
    """A slice to be measured."""

    name: str
    kind: str
    member_N: Mask
    tested_N: Mask | None = None
    """The records on which it may be tested: those that did not help to find it; None: all."""
    columns: tuple[int, ...] = ()
    """Tags whose cells are left out of its surprise, see `Condition`."""


@dataclass(frozen=True, eq=False)
class SliceRow:
    """What is known of a slice."""

    name: str
    kind: str
    size: int
    """Unit: records."""
    share: float
    num_judged: int
    """The records that all that follows is of: of a slice that was sought, those that did not help to find it."""
    f1_macro: float
    """Over the tags that its records bear or were given."""
    f1_micro: float
    f1_low: float
    f1_high: float
    """95%, by a bootstrap over its records."""
    log_loss: float
    """Mean over its records."""
    surprise: float
    """Mean of log loss less what the model expects."""
    evidence: float
    """Its surprise above that of all, in standard errors, on the records on which it is tested."""
    p: float
    """One-sided, by permutation."""
    q: float
    """After Benjamini & Hochberg (1995), over all slices of the report."""
    alike: tuple[str, ...]
    """Slices of much the same records, with less evidence."""
    member_N: Mask


@dataclass(frozen=True, eq=False)
class SliceReport:
    """All slices, the one with most evidence first."""

    rows: tuple[SliceRow, ...]
    num_tested: int
    """With those that are told as alike."""
    fdr: float
    """The share of false ones that is accepted among those called bad."""
    overall_f1: float
    overall_surprise: float

    @property
    def bad(self) -> tuple[SliceRow, ...]:
        """The slices that are worse than the rest at this false discovery rate."""
        return tuple(row for row in self.rows if row.q <= self.fdr)


def slice_report(
    judged: Judged,
    conditions: Sequence[Condition],
    *,
    named: Sequence[Slice] = (),
    finder: str = "lattice",
    fdr: float = 0.1,
    min_size: int = 10,
    seed: int = 0,
) -> SliceReport:
    """Test named slices, all conditions, and the conjunctions that a finder finds.

    Named slices and single conditions are tested on all records, for nobody looked before they were chosen.
    Conjunctions, and windows of like texts (`scan`), are sought on one half of the records, drawn at random, and tested
    on the other; conditions on the tags that records truly bear do not take part in them.

    Args:
        judged: N records.
        conditions: of the same records.
        named: slices to measure besides.
        finder: one of `find.FINDERS`.
        fdr: false discovery rate.
        min_size: the smallest slice that is sought (unit: records).
        seed: of the halves, the permutations and the bootstrap.
    """
    slices = [*named, *(Slice(each.name, each.kind, each.member_N, None, each.columns) for each in conditions)]
    slices += _found(judged, conditions, finder, min_size, seed)
    slices = [each for each in slices if each.member_N.any() and not each.member_N.all()]
    numbers = {len(judged.ids) if each.tested_N is None else int(each.tested_N.sum()) for each in slices}
    orders = {number: _permutations(number, seed) for number in numbers}
    tested = [_test(each, judged.surprise_without(each.columns), orders) for each in slices]
    p_S = np.array([p for _, p in tested])
    q_S = false_discovery_control(p_S) if len(p_S) else p_S
    order = sorted(range(len(slices)), key=lambda s: (-round(tested[s][0], 9), slices[s].name))
    kept: list[int] = []
    alike: dict[int, list[str]] = {}
    for s in order:
        twin = next((other for other in kept if _overlap(slices[s].member_N, slices[other].member_N) >= _ALIKE), None)
        if twin is None or slices[s].kind == "named":
            kept.append(s)
        else:
            alike.setdefault(twin, []).append(slices[s].name)
    rows = tuple(
        _row(judged, slices[s], tested[s], float(q_S[s]), tuple(alike.get(s, ())), np.random.default_rng([seed, s]))
        for s in kept
    )
    everything = np.ones(len(judged.ids), dtype=bool)
    surprise = float(judged.surprise_N.mean()) if len(judged.ids) else 0.0
    return SliceReport(rows, len(slices), fdr, f1_micro(judged, everything), surprise)


def f1_micro(judged: Judged, member_N: Mask) -> float:
    """Micro F1 over the known cells of some records; 0 where there is neither a tag nor a prediction."""
    return float(_f1(*(each[member_N].sum() for each in judged.f1_parts_N)))


def f1_macro(judged: Judged, member_N: Mask) -> float:
    """The mean F1 of the tags that some records bear or were given, over their known cells; 0 where there is none."""
    known_NK = np.ones(judged.y_NK.shape, dtype=bool) if judged.known_NK is None else judged.known_NK
    said_MK, true_MK = (judged.accepted_NK & known_NK)[member_N], ((judged.y_NK > 0) & known_NK)[member_N]
    hits_K, total_K = (said_MK & true_MK).sum(0), said_MK.sum(0) + true_MK.sum(0)
    here_K = total_K > 0
    return float((2 * hits_K[here_K] / total_K[here_K]).mean()) if here_K.any() else 0.0


def _found(judged: Judged, conditions: Sequence[Condition], finder: str, min_size: int, seed: int) -> list[Slice]:
    num_records = len(judged.ids)
    conditions = [each for each in conditions if not each.columns]
    if not conditions:
        return []
    seen_N = np.zeros(num_records, dtype=bool)
    seen_N[np.random.default_rng(seed).permutation(num_records)[: num_records // 2]] = True
    windows = [
        Slice(f"near {judged.ids[each.centre]!r}: {each.words}", "found", each.member_N, ~seen_N)
        for each in scan(judged.texts, judged.surprise_N, seen_N, max(2, min_size // 2), seed)
    ]
    member_NC = np.stack([each.member_N for each in conditions], axis=1)
    found = find(finder, member_NC[seen_N], judged.surprise_N[seen_N], max(2, min_size // 2), seed)
    return windows + [
        Slice(" and ".join(conditions[c].name for c in each), "found", _members(member_NC, each), ~seen_N)
        for each in found
        if len(each) > 1
    ]


def _members(member_NC: Mask, conjunction: Conjunction) -> Mask:
    return np.asarray(member_NC[:, list(conjunction)].all(1))


def _permutations(num_records: int, seed: int) -> NDArray[np.int32]:
    """Orders of the records, (D, N): the same for all slices, so that these are compared by the same chances."""
    generator = np.random.default_rng(seed)
    order = np.tile(np.arange(num_records, dtype=np.int32), (_PERMUTATIONS, 1))
    return generator.permuted(order, axis=1)


def _test(each: Slice, cost_N: Floats, orders: Mapping[int, NDArray[np.int32]]) -> tuple[float, float]:
    """Evidence, and its one-sided p by permutation of the costs; `orders`: by the number of tested records."""
    where_N = np.ones(len(cost_N), dtype=bool) if each.tested_N is None else each.tested_N
    member_T, cost_T = each.member_N[where_N], cost_N[where_N]
    size, number = int(member_T.sum()), len(cost_T)
    if size < 2 or size > number - 2 or np.ptp(cost_T) == 0:
        return 0.0, 1.0
    found = float(evidence(member_T[:, None], cost_T)[0])
    if found <= 0:
        return found, 1.0
    # The first places of a random order are a random slice; of a large one its few others are drawn.
    smaller = min(size, number - size)
    sums_D = cost_T[orders[number][:, :smaller]].sum(1)
    sums_D = sums_D if smaller == size else cost_T.sum() - sums_D
    extreme = int((sums_D >= cost_T[member_T].sum() - 1e-9).sum())
    return found, (1 + extreme) / (1 + len(sums_D))


def _row(
    judged: Judged,
    each: Slice,
    tested: tuple[float, float],
    q: float,
    alike: tuple[str, ...],
    generator: np.random.Generator,
) -> SliceRow:
    member_N = each.member_N
    judged_N = member_N if each.tested_N is None else member_N & each.tested_N
    judged_N = judged_N if judged_N.any() else member_N
    size = int(judged_N.sum())
    hits, total = (part[judged_N] for part in judged.f1_parts_N)
    drawn_DN = generator.integers(0, size, (_SAMPLES, size))
    draws_D = _f1(hits[drawn_DN].sum(1), total[drawn_DN].sum(1))
    low, high = np.quantile(draws_D, [0.025, 0.975])
    return SliceRow(
        each.name,
        each.kind,
        int(member_N.sum()),
        float(member_N.mean()),
        size,
        f1_macro(judged, judged_N),
        float(_f1(hits.sum(), total.sum())),
        float(low),
        float(high),
        float(judged.log_loss_N[judged_N].mean()),
        float(judged.surprise_without(each.columns)[judged_N].mean()),
        tested[0],
        tested[1],
        q,
        alike,
        member_N,
    )


def _f1(hits: Floats, total: Floats) -> Floats:
    total = np.asarray(total, dtype=np.float64)
    return np.divide(2 * hits, total, out=np.zeros_like(total), where=total > 0)


def _overlap(one_N: Mask, other_N: Mask) -> float:
    return float((one_N & other_N).sum() / max(1, (one_N | other_N).sum()))
