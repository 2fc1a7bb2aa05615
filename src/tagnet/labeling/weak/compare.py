"""How good each combiner is on gold that it has not seen: the comparison that always stands beside a choice.

N records, K tags.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagnet.evaluation.metrics import overall_metrics
from tagnet.labeling.weak.combine import Gold, combine
from tagnet.labeling.weak.votes import VoteMatrix

_FOLDS = 5


@dataclass(frozen=True)
class CombinerScore:
    """A combiner on gold that was hidden from it, over `num_records` records."""

    combiner: str
    num_records: int
    f1_macro: float
    """At 0.5."""
    f1_micro: float
    mean_average_precision: float
    brier: float
    """Mean squared distance of probability and label."""


def compare_on_gold(
    votes: VoteMatrix,
    gold: Gold,
    names: Sequence[str],
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> list[CombinerScore]:
    """Hide a fifth of the gold records at a time, combine, and measure on the hidden ones.

    Args:
        votes: of N records.
        gold: at least two records with any.
        names: of combiners.
        seed: of the folds, and for the combiners.
        progress: called after each fold of each combiner.
    """
    records = np.flatnonzero(gold.known_NK.any(1))
    fold_R = np.random.default_rng(seed).permutation(len(records)) % min(_FOLDS, len(records))
    found = []
    for name in names:
        probs_RK = np.zeros((len(records), len(votes.tags)))
        for fold in range(int(fold_R.max(initial=0)) + 1):
            hidden = records[fold_R == fold]
            known_NK = gold.known_NK.copy()
            known_NK[hidden] = False
            combined = combine(name, votes, Gold(gold.y_NK, known_NK), seed)
            probs_RK[fold_R == fold] = combined.probs_NK[hidden]
            progress()
        found.append(_score(name, probs_RK, gold.y_NK[records], gold.known_NK[records]))
    return found


def _score(
    name: str, probs_RK: NDArray[np.float64], y_RK: NDArray[np.uint8], known_RK: NDArray[np.bool_]
) -> CombinerScore:
    # Cells without gold are made right for everybody: absent, and called so.
    probs_RK, y_RK = np.where(known_RK, probs_RK, 0.0), np.where(known_RK, y_RK, 0)
    metrics = overall_metrics(probs_RK, y_RK.astype(np.uint8), probs_RK >= 0.5, ())
    brier = float(((probs_RK - y_RK) ** 2)[known_RK].mean()) if known_RK.any() else 0.0
    return CombinerScore(name, len(y_RK), metrics["f1_macro"], metrics["f1_micro"], metrics["map"], brier)
