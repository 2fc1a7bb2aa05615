"""Which of the labels that we have are probably wrong: cells, a record and a tag each, the most suspect first.

A cell is *spurious* where the record bears a tag that it should not, and *missing* where it lacks one that it should
bear. Probabilities have to come from models that did not see the cell (`workflows.out_of_fold`).

Shapes: N records, K tags, C ranked cells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tagnet.errors import ConfigError, nearest
from tagnet.labeling.audit_cleanlab import cleanlab_suspicion

Floats = NDArray[np.float64]
Kind = Literal["both", "missing", "spurious"]
KINDS: tuple[Kind, ...] = get_args(Kind)
DEFAULT_RANKER = "probability"


@dataclass(frozen=True, eq=False)
class Ranking:
    """C cells, the most suspect first."""

    rows_C: NDArray[np.int64]
    """The record of each, from 0."""
    columns_C: NDArray[np.int64]
    """Its tag."""
    missing_C: NDArray[np.bool_]
    """Whether the record lacks the tag; if not, it bears one that may be spurious."""
    suspicion_C: Floats
    """By the ranker's measure; never rising."""

    def __len__(self) -> int:
        return len(self.rows_C)


def probability_suspicion(probs_NK: Floats, y_NK: NDArray[np.bool_], known_NK: NDArray[np.bool_]) -> Floats:
    """The probability of the other label: 1 − p where the record bears the tag, p where it lacks it.

    It is the complement of self-confidence (Northcutt, Jiang & Chuang, JAIR 2021, section 3.2).

    >>> y_NK = np.array([[True, False]])
    >>> probability_suspicion(np.array([[0.25, 0.5]]), y_NK, np.ones_like(y_NK)).tolist()
    [[0.75, 0.5]]
    """
    return np.where(y_NK, 1 - probs_NK, probs_NK)


def normalized_suspicion(probs_NK: Floats, y_NK: NDArray[np.bool_], known_NK: NDArray[np.bool_]) -> Floats:
    """The probability of the other label, less its mean over cells of the same tag and label.

    What is suspect in a tag that is hard to learn has to be more so than in one that is easy (the adjusted
    self-confidence of Kuan & Mueller, ICML workshop on data-centric AI 2022, section 3).
    """
    plain_NK = probability_suspicion(probs_NK, y_NK, known_NK)
    adjusted_NK = np.zeros_like(plain_NK)
    for mine_NK in (known_NK & y_NK, known_NK & ~y_NK):
        means_K = np.where(mine_NK, plain_NK, 0.0).sum(0) / np.maximum(mine_NK.sum(0), 1)
        adjusted_NK[mine_NK] = (plain_NK - means_K)[mine_NK]
    return adjusted_NK


def quantile_suspicion(probs_NK: Floats, y_NK: NDArray[np.bool_], known_NK: NDArray[np.bool_]) -> Floats:
    """Where a cell stands among the cells of its tag that have the other label, 0 to 1.

    Spurious: the share of records without the tag that are at least as probable to bear it. Missing: the share of
    records with the tag that are at most as probable. It asks nothing of calibration; where a tag has no cell with the
    other label there is nothing to compare with, and the suspicion is 0.
    """
    found_NK = np.zeros_like(probs_NK)
    for k in range(probs_NK.shape[1]):
        known_N, y_N, probs_N = known_NK[:, k], y_NK[:, k], probs_NK[:, k]
        without, bearing = np.sort(probs_N[known_N & ~y_N]), np.sort(probs_N[known_N & y_N])
        above_N = len(without) - np.searchsorted(without, probs_N, side="left")
        below_N = np.searchsorted(bearing, probs_N, side="right")
        share_N = np.where(y_N, above_N / max(1, len(without)), below_N / max(1, len(bearing)))
        found_NK[:, k] = share_N
    return found_NK


def lift_suspicion(probs_NK: Floats, y_NK: NDArray[np.bool_], known_NK: NDArray[np.bool_]) -> Floats:
    """How much the text speaks against the label, beyond the tag's own frequency (unit: log-odds).

    The log-odds of the probability, less those of the tag's frequency: a scarce tag is improbable everywhere, which
    is no sign that the records that bear it are wrong.
    """
    count_K = known_NK.sum(0)
    rate_K = ((y_NK & known_NK).sum(0) + 0.5) / (count_K + 1)
    lift_NK = _log_odds(probs_NK) - _log_odds(rate_K)
    return np.where(y_NK, -lift_NK, lift_NK)


def _log_odds(probs: Floats) -> Floats:
    clipped = np.clip(probs, 1e-12, 1 - 1e-12)
    odds: Floats = np.log(clipped) - np.log1p(-clipped)
    return odds


Ranker = Callable[[Floats, NDArray[np.bool_], NDArray[np.bool_]], Floats]
RANKERS: Mapping[str, Ranker] = {
    "probability": probability_suspicion,
    "normalized": normalized_suspicion,
    "quantile": quantile_suspicion,
    "lift": lift_suspicion,
    "cleanlab": cleanlab_suspicion,
}
"""Name → (probs_NK, y_NK, known_NK) → suspicion_NK, higher where the label is more suspect, anything where unknown."""


def check_ranker(name: str) -> str:
    """The name, if there is such a ranker.

    Raises:
        ConfigError: there is none; the nearest one is named.
    """
    if name not in RANKERS:
        raise ConfigError(f"--ranker: expected {', '.join(RANKERS)}; found {name!r}{nearest(name, RANKERS)}")
    return name


def check_kind(name: str) -> Kind:
    """The kind of cells that a name means.

    Raises:
        ConfigError: there is none; the nearest one is named.
    """
    for known in KINDS:
        if name == known:
            return known
    raise ConfigError(f"--kind: expected {', '.join(KINDS)}; found {name!r}{nearest(name, KINDS)}")


def rank_cells(
    probs_NK: ArrayLike,
    y_NK: ArrayLike,
    known_NK: ArrayLike | None = None,
    *,
    ranker: str = DEFAULT_RANKER,
    kind: Kind = "both",
    budget: int | None = None,
    seed: int = 0,
) -> Ranking:
    """Rank the known cells of a kind.

    Args:
        probs_NK: (N, K), calibrated, of models that did not see the cell; what stands in unknown cells is not looked
            at.
        y_NK: (N, K), 0 or 1: the labels that we have.
        known_NK: (N, K) bool; None: every cell is known.
        ranker: a key of `RANKERS`.
        kind: `missing`, `spurious`, or `both` in one list.
        budget: the most cells; None: all of them.
        seed: decides between cells that are equally suspect.

    Raises:
        ConfigError: there is no such ranker.
        MissingExtraError: the ranker is cleanlab's, which is not installed.
        ValueError: the shapes differ, a known probability is not in [0, 1], or the budget is negative.

    >>> found = rank_cells([[0.9, 0.3], [0.2, 0.1]], [[0, 1], [0, 1]], budget=3)
    >>> list(zip(found.rows_C.tolist(), found.columns_C.tolist(), found.missing_C.tolist(), strict=True))
    [(0, 0, True), (1, 1, False), (0, 1, False)]
    """
    y, probs = np.asarray(y_NK), np.asarray(probs_NK, dtype=np.float64)
    known = np.ones(y.shape, dtype=bool) if known_NK is None else np.asarray(known_NK, dtype=bool)
    if y.ndim != 2 or not y.shape == probs.shape == known.shape:
        raise ValueError(
            f"expected probabilities, y and known of one shape (N, K), found {probs.shape}, {y.shape}, {known.shape}"
        )
    # Written so that NaN is refused, too.
    if not ((probs[known] >= 0) & (probs[known] <= 1)).all():
        raise ValueError("probabilities: expected numbers from 0 to 1 in known cells, found others")
    if budget is not None and budget < 0:
        raise ValueError(f"budget: expected at least 0, found {budget}")
    bears = (y > 0) & known
    suspicion_NK = RANKERS[check_ranker(ranker)](np.where(known, probs, 0.5), bears, known)
    wanted = {"both": known, "missing": known & ~bears, "spurious": known & bears}[kind]
    # All cells are shuffled, then sorted stably: equals come in an order that follows from the seed, in every list.
    cells_C = np.random.default_rng(seed).permutation(y.size)
    cells_C = cells_C[wanted.ravel()[cells_C]]
    cells_C = cells_C[np.argsort(-suspicion_NK.ravel()[cells_C], kind="stable")][:budget]
    rows_C, columns_C = np.unravel_index(cells_C, y.shape)
    return Ranking(
        rows_C.astype(np.int64), columns_C.astype(np.int64), ~bears.ravel()[cells_C], suspicion_NK.ravel()[cells_C]
    )
