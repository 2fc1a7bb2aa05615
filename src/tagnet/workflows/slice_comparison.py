"""Two runs slice by slice, on the records that both judged: who is better where. N records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from tagnet.errors import RunDirectoryError
from tagnet.evaluation.slices.features import Condition
from tagnet.evaluation.slices.judged import Judged
from tagnet.evaluation.slices.report import Slice, f1_micro

_FLIPS = 4999
_SAMPLES = 1000


@dataclass(frozen=True, eq=False)
class SliceDifference:
    """One slice: the second run less the first."""

    name: str
    kind: str
    size: int
    f1_first: float
    f1_second: float
    f1_low: float
    """95% of the difference, by a paired bootstrap over the slice's records."""
    f1_high: float
    log_loss: float
    """Mean difference; below 0: the second run is better."""
    p: float
    """Two-sided, of log loss, by random exchange of the two runs, record by record."""
    q: float
    """After Benjamini & Hochberg, over all slices."""


def in_common(first: Judged, second: Judged) -> tuple[Judged, Judged]:
    """The records that both judged, in the first one's order.

    Raises:
        RunDirectoryError: they have other tags, no record in common, or disagree on the tags of one.
    """
    if first.tags != second.tags:
        raise RunDirectoryError("expected runs with the same tags, found others; train both with the same labels.*")
    row_of = {str(identity): row for row, identity in enumerate(second.ids)}
    rows = [(row, row_of[str(identity)]) for row, identity in enumerate(first.ids) if str(identity) in row_of]
    if not rows:
        raise RunDirectoryError("expected runs with records in common, found none; give both the same split.file")
    one, other = first.take([a for a, _ in rows]), second.take([b for _, b in rows])
    if not np.array_equal(one.y_NK, other.y_NK):
        raise RunDirectoryError("expected the same tags of each record in both runs, found others")
    return one, other


def compare_slices(
    first: Judged, second: Judged, slices: Sequence[Slice | Condition], *, seed: int = 0
) -> list[SliceDifference]:
    """The difference in each slice, the one that says most first; both must hold the same records (`in_common`)."""
    generator = np.random.default_rng(seed)
    gap_N = second.log_loss_N - first.log_loss_N
    sign_DN = generator.integers(0, 2, (_FLIPS, len(gap_N)), dtype=np.int8) * 2 - 1
    everything = Slice("all records", "all", np.ones(len(gap_N), dtype=bool))
    chosen = [each for each in (everything, *slices) if each.member_N.any()]
    p_values = [_exchanged(gap_N[each.member_N], sign_DN[:, each.member_N]) for each in chosen]
    q_values = false_discovery_control(p_values)
    found = [
        _difference(first, second, each, float(gap_N[each.member_N].mean()), p, float(q), generator)
        for each, p, q in zip(chosen, p_values, q_values, strict=True)
    ]
    return sorted(found, key=lambda each: (each.kind != "all", each.p, -abs(each.log_loss), each.name))


def _exchanged(gap_M: NDArray[np.float64], sign_DM: NDArray[np.int8]) -> float:
    drawn_D = np.abs(sign_DM @ gap_M)
    return float((1 + (drawn_D >= abs(gap_M.sum()) - 1e-12).sum()) / (1 + len(drawn_D)))


def _difference(
    first: Judged,
    second: Judged,
    each: Slice | Condition,
    log_loss: float,
    p: float,
    q: float,
    generator: np.random.Generator,
) -> SliceDifference:
    rows = np.flatnonzero(each.member_N)
    drawn = []
    for _ in range(_SAMPLES):
        counts = np.bincount(generator.integers(0, len(rows), len(rows)), minlength=len(rows))
        drawn.append(_f1(second, rows, counts) - _f1(first, rows, counts))
    low, high = np.quantile(drawn, [0.025, 0.975])
    values = (f1_micro(first, each.member_N), f1_micro(second, each.member_N), float(low), float(high))
    return SliceDifference(each.name, each.kind, len(rows), *values, log_loss, p, q)


def _f1(judged: Judged, rows: NDArray[np.int64], counts: NDArray[np.int64]) -> float:
    hits, total = judged.f1_parts_N
    denominator = float(counts @ total[rows])
    return 2 * float(counts @ hits[rows]) / denominator if denominator else 0.0


def plain_differences(rows: Sequence[SliceDifference], first: str, second: str) -> dict[str, Any]:
    """The differences, for JSON."""
    return {"first": first, "second": second, "slices": [asdict(row) for row in rows]}
