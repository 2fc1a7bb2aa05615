"""Threshold rules: from calibrated validation probabilities to the probability from which each tag is accepted.

The best threshold of a tag with a handful of positives is mostly chance, and can serve other records worse than one
threshold for all tags does; `shrunk` stands between the two.

N records, K tags; I counts a column's cells from the highest score down.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import numpy as np
from numpy.typing import ArrayLike

from tagnet.calibration.cells import BoolArray, Cells, FloatArray
from tagnet.calibration.conformal import conformal_recall_threshold
from tagnet.config import (
    ConformalRecallThresholdsConfig,
    FixedThresholdConfig,
    GlobalThresholdConfig,
    PerTagThresholdsConfig,
    PlugInThresholdsConfig,
    ShrunkThresholdsConfig,
    ThresholdsConfig,
)

UNINFORMED = 0.5
"""The global threshold where no known cell is positive, so that no F1 can be had."""


def fit_thresholds(
    probs_NK: ArrayLike, y_NK: ArrayLike, config: ThresholdsConfig, known_NK: ArrayLike | None = None
) -> FloatArray:
    """The threshold of each tag, (K,), by the rule that `config` names.

    * `fixed`: the given one.
    * `global`: one for all tags, with the best micro F1.
    * `per_tag`: for each tag the one with the best F1.
    * `shrunk`: n/(n + s) of that, for n positives and the shrinkage s; the rest is the mean of the global one and the
      tag's `plug_in`, neither of which hangs on the tag's few positives.
    * `plug_in`: half the best F1 that the probabilities themselves promise (Lipton et al., arXiv 1402.1892: with
      calibrated probabilities the best threshold is half of the best F1).
    * `conformal_recall`: one for all tags, the highest that promises a mean recall a record (see `conformal`).

    A tag without positives gets the global threshold under every rule that looks at tags one by one: its own best would
    be to accept nothing, or, by plug-in, everything. Optima lie midway between neighbouring scores.

    Args:
        probs_NK: (N, K) in [0, 1].
        y_NK: (N, K) in [0, 1].
        config: the rule.
        known_NK: (N, K) bool; None: every cell is known. Unknown cells contribute nothing.

    Returns:
        thresholds_K in [0, 1]; a tag is accepted when its probability is at least its threshold.

    Raises:
        ValueError: the shapes differ.

    >>> probs_NK = np.array([[1.0, 0.5], [0.75, 0.75], [0.25, 0.0]])
    >>> y_NK = np.array([[1, 1], [1, 0], [0, 0]])
    >>> fit_thresholds(probs_NK, y_NK, GlobalThresholdConfig("global")).tolist()
    [0.375, 0.375]
    >>> fit_thresholds(probs_NK, y_NK, PerTagThresholdsConfig("per_tag")).tolist()
    [0.5, 0.25]
    """
    return thresholds_of_cells(Cells.of("probabilities", probs_NK, y_NK, known_NK), config)


def thresholds_of_cells(cells: Cells, config: ThresholdsConfig) -> FloatArray:
    """`fit_thresholds` of cells that are looked at a block of tags at a time."""
    num_tags = cells.shape[1]
    if isinstance(config, FixedThresholdConfig):
        return np.full(num_tags, config.threshold)
    if isinstance(config, ConformalRecallThresholdsConfig):
        whole = list(cells.blocks())
        y_NK = np.concatenate([block.y_nk for block in whole], axis=1)
        probs_NK = np.concatenate([block.scores_nk for block in whole], axis=1)
        return np.full(
            num_tags, conformal_recall_threshold(probs_NK, y_NK, config.recall) if y_NK.any() else UNINFORMED
        )
    global_threshold = micro_f1_threshold_of_cells(cells)
    if isinstance(config, GlobalThresholdConfig):
        return np.full(num_tags, global_threshold)
    thresholds_K = np.empty(num_tags)
    for tags, probs_Nk, y_Nk, known_Nk in cells.blocks():
        positives_k: FloatArray = y_Nk.sum(0)
        match config:
            case PerTagThresholdsConfig():
                own_k = best_f1_thresholds(probs_Nk, y_Nk, known_Nk)[0]
            case ShrunkThresholdsConfig():
                share_k = positives_k / np.maximum(positives_k + config.shrinkage, np.finfo(float).tiny)
                (best_k, _), (_, promised_k) = _best_f1_thresholds(probs_Nk, [y_Nk, probs_Nk], known_Nk)
                safe_k = (promised_k / 2 + global_threshold) / 2
                own_k = share_k * best_k + (1 - share_k) * safe_k
            case PlugInThresholdsConfig():
                own_k = plug_in_thresholds(probs_Nk, known_Nk)
            case _:
                assert_never(config)
        thresholds_K[tags] = np.where(positives_k > 0, own_k, global_threshold)
    return thresholds_K


def plug_in_thresholds(probs_NK: FloatArray, known_NK: BoolArray) -> FloatArray:
    """Half of the best F1 that calibrated probabilities promise for each tag, (K,) (Lipton et al., arXiv 1402.1892).

    >>> plug_in_thresholds(np.array([[1.0], [1.0], [0.0]]), np.ones((3, 1), bool)).tolist()
    [0.5]
    """
    return best_f1_thresholds(probs_NK, probs_NK, known_NK)[1] / 2


def best_micro_f1_threshold(probs_NK: FloatArray, y_NK: FloatArray, known_NK: BoolArray) -> float:
    """The one threshold whose F1 over the cells of all tags together is best; 0.5 where no known cell is positive.

    >>> best_micro_f1_threshold(np.array([[1.0, 0.25], [0.25, 0.75]]), np.eye(2), np.ones((2, 2), bool))
    0.5
    """
    return micro_f1_threshold_of_cells(Cells.of("probabilities", probs_NK, y_NK, known_NK))


def micro_f1_threshold_of_cells(cells: Cells) -> float:
    """`best_micro_f1_threshold` without sorting all cells: F1 only rises where a positive one is accepted.

    So the scores of the positive cells are the only candidates, and of all other cells it matters how many lie at or
    above each of them.
    """
    found = [(block.scores_nk[block.y_nk > 0], block.y_nk[block.y_nk > 0]) for block in cells.blocks()]
    scores, weights = (np.concatenate(each) for each in zip(*found, strict=True)) if found else (np.zeros(0),) * 2
    if not len(scores):
        return UNINFORMED
    cuts_C, place = np.unique(scores, return_inverse=True)
    hits_C = np.cumsum(np.bincount(place, weights)[::-1])[::-1]
    above = np.zeros(len(cuts_C) + 1, dtype=np.int64)
    for block in cells.blocks():
        reached = np.searchsorted(cuts_C, block.scores_nk[block.known_nk], side="right")
        above += np.bincount(reached, minlength=len(above))
    accepted_C = np.cumsum(above[:0:-1])[::-1]
    f1_C = 2 * hits_C / np.maximum(accepted_C + hits_C[0], 1e-300)
    best = len(cuts_C) - 1 - int(f1_C[::-1].argmax())  # of equal ones the highest
    upper = float(cuts_C[best])
    lower = max(
        (
            float(np.where(block.known_nk & (block.scores_nk < upper), block.scores_nk, 0.0).max())
            for block in cells.blocks()
        ),
        default=0.0,
    )
    middle = (upper + lower) / 2
    return middle if middle > lower else upper


def best_f1_thresholds(scores_NK: FloatArray, y_NK: FloatArray, known_NK: BoolArray) -> tuple[FloatArray, FloatArray]:
    """For each tag the threshold with the best F1, and that F1, each (K,); of equal ones the highest threshold.

    F1 is 2 TP / (accepted + positives), with y as shares: y = the probabilities gives the F1 they promise. Only cuts
    between different scores count, as equal scores are accepted together. The threshold is midway between the lowest
    accepted score and the next below it, 0 where there is none. A tag without positives has F1 0 and the cut under
    its highest score.

    >>> scores_NK, y_NK = np.array([[0.9], [0.8], [0.8], [0.2]]), np.array([[1.0], [1.0], [0.0], [0.0]])
    >>> thresholds_K, f1_K = best_f1_thresholds(scores_NK, y_NK, np.ones((4, 1), bool))
    >>> thresholds_K.tolist(), f1_K.tolist()
    ([0.5], [0.8])
    """
    return _best_f1_thresholds(scores_NK, [y_NK], known_NK)[0]


def _best_f1_thresholds(
    scores_NK: FloatArray, ys_NK: Sequence[FloatArray], known_NK: BoolArray
) -> list[tuple[FloatArray, FloatArray]]:
    """`best_f1_thresholds` for several labels of the same scores, which are sorted once."""
    num_records, num_tags = scores_NK.shape
    if num_records == 0:
        return [(np.full(num_tags, UNINFORMED), np.zeros(num_tags)) for _ in ys_NK]
    # A tag a row, so that what is sorted and looked up together lies together.
    scores_KN, known_KN = np.ascontiguousarray(scores_NK.T), np.ascontiguousarray(known_NK.T)
    # Unknown cells sort last, below every score, and count as nothing.
    order_KI = np.argsort(np.where(known_KN, -scores_KN, np.inf), axis=1, kind="stable")
    counted_KI = np.take_along_axis(known_KN, order_KI, axis=1)
    scores_KI = np.where(counted_KI, np.take_along_axis(scores_KN, order_KI, axis=1), 0.0)
    accepted_KI = np.cumsum(counted_KI, axis=1)
    below_KI = np.concatenate([scores_KI[:, 1:], np.zeros((num_tags, 1))], axis=1)
    last_KI = counted_KI & ~np.concatenate([counted_KI[:, 1:], np.zeros((num_tags, 1), dtype=bool)], axis=1)
    cut_KI = counted_KI & ((scores_KI > below_KI) | last_KI)
    found = []
    for y_NK in ys_NK:
        y_KN = np.ascontiguousarray(y_NK.T)
        hits_KI = np.cumsum(np.where(counted_KI, np.take_along_axis(y_KN, order_KI, axis=1), 0.0), axis=1)
        f1_KI = np.where(cut_KI, 2 * hits_KI / np.maximum(accepted_KI + hits_KI[:, -1:], 1e-300), -1.0)
        best_K1 = f1_KI.argmax(axis=1)[:, None]
        upper_K, lower_K = (np.take_along_axis(array, best_K1, axis=1)[:, 0] for array in (scores_KI, below_KI))
        middle_K = (upper_K + lower_K) / 2
        # Between neighbouring floats the middle rounds to one of them; it must not be the lower.
        thresholds_K = np.where(middle_K > lower_K, middle_K, upper_K)
        found.append((thresholds_K, np.maximum(np.take_along_axis(f1_KI, best_K1, axis=1)[:, 0], 0.0)))
    return found
