"""Metrics that are averages over records or cells: ranking, exactness, probability.

Each is kept as what it sums over records, so that a resample of the records is one matrix product.

Legend: N records, K tags, B bins of probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NUM_BINS = 15
"""Equal-width bins of the expected calibration error."""
SMALLEST_PROBABILITY = 1e-12
"""Log loss takes probabilities from here to one minus this."""
CELLS_AT_ONCE = 2**22


@dataclass(frozen=True)
class RecordScores:
    """For each metric a numerator and a denominator per record: the metric is the ratio of their (weighted) sums."""

    numerators: dict[str, Floats]
    denominators: dict[str, Floats]
    residuals_NB: Floats
    """Sum over the record's tags of probability minus truth, in the bin of the probability."""


def record_scores(
    probs_NK: NDArray[np.floating], y_NK: NDArray[Any], accepted_NK: NDArray[np.bool_], at_k: Sequence[int]
) -> RecordScores:
    """Score every record by itself.

    - `precision_at_k`: share of the k most probable tags that the record bears (of all K where K < k).
    - `recall_at_k`, `ndcg`, `lrap`: over the records that bear a tag, the others have nothing to rank.
      LRAP: label-ranking average precision, ties count against (Tsoumakas et al. 2010). nDCG: gain 1 for a tag that
      is borne, discount log2(1 + rank) (Järvelin & Kekäläinen 2002). Equal probabilities rank in the order of tags.
    - `subset_accuracy`, `hamming_loss`: of the accepted tags.
    - `brier`, `log_loss`: means over all cells.
    - the residuals behind `ece`: see `calibration_error`.
    """
    N, K = y_NK.shape
    rows = max(1, CELLS_AT_ONCE // max(1, K))
    blocks = [slice(start, start + rows) for start in range(0, N, rows)]
    parts = [_block(probs_NK[b], y_NK[b] > 0, accepted_NK[b], at_k) for b in blocks]
    names = parts[0][0].keys()
    has_tag_N = np.any(y_NK > 0, axis=1).astype(np.float64)
    over_tagged = {"ndcg", "lrap", *(f"recall_at_{k}" for k in at_k)}
    return RecordScores(
        numerators={name: np.concatenate([p[0][name] for p in parts]) for name in names},
        denominators={name: has_tag_N if name in over_tagged else np.ones(N) for name in names},
        residuals_NB=np.concatenate([p[1] for p in parts]),
    )


def calibration_error(residuals_SB: Floats, num_cells_S: Floats) -> Floats:
    """Expected calibration error over all cells (record, tag) pooled, in 15 equal-width bins of the probability.

    Σ_bins (cells in the bin / all cells) · |mean probability − share of positives| (Naeini et al., AAAI 2015), where
    the positive class alone is looked at, as in torchmetrics' `binary_calibration_error`. (S, B) and (S,) → (S,).
    """
    error_S: Floats = np.abs(residuals_SB).sum(1) / num_cells_S
    return error_S


def _block(
    probs_NK: NDArray[np.floating], y_NK: NDArray[np.bool_], accepted_NK: NDArray[np.bool_], at_k: Sequence[int]
) -> tuple[dict[str, Floats], Floats]:
    probs = probs_NK.astype(np.float64)
    y = y_NK.astype(np.float64)
    N, K = y.shape
    num_true_N = y.sum(1)
    safe_N = np.maximum(num_true_N, 1)

    order_NK = np.argsort(-probs, axis=1, kind="stable")
    y_ranked = np.take_along_axis(y, order_NK, 1)
    hits_NK = np.cumsum(y_ranked, 1)
    discounts_K = 1 / np.log2(np.arange(K) + 2)
    ideal_N = np.concatenate([[0.0], np.cumsum(discounts_K)])[num_true_N.astype(int)]

    # The last place of each run of equal probabilities: precision there counts every tie against the record.
    p_ranked = np.take_along_axis(probs, order_NK, 1)
    is_last = np.ones((N, K), dtype=bool)
    is_last[:, :-1] = p_ranked[:, :-1] != p_ranked[:, 1:]
    last_NK = np.minimum.accumulate(np.where(is_last, np.arange(K), K - 1)[:, ::-1], axis=1)[:, ::-1]
    precision_NK = np.take_along_axis(hits_NK, last_NK, 1) / (last_NK + 1)

    scores: dict[str, Floats] = {}
    for k in at_k:
        scores[f"precision_at_{k}"] = hits_NK[:, min(k, K) - 1] / min(k, K)
        scores[f"recall_at_{k}"] = hits_NK[:, min(k, K) - 1] / safe_N
    scores["ndcg"] = (y_ranked @ discounts_K) / np.where(ideal_N > 0, ideal_N, 1)
    scores["lrap"] = (y_ranked * precision_NK).sum(1) / safe_N
    wrong_NK = accepted_NK != y_NK
    scores["subset_accuracy"] = (~wrong_NK.any(1)).astype(np.float64)
    scores["hamming_loss"] = wrong_NK.mean(1)
    scores["brier"] = ((probs - y) ** 2).mean(1)
    clipped = np.clip(probs, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    scores["log_loss"] = -np.where(y_NK, np.log(clipped), np.log1p(-clipped)).mean(1)

    bins_NK = np.minimum((probs * NUM_BINS).astype(int), NUM_BINS - 1)
    cells = np.arange(N)[:, None] * NUM_BINS + bins_NK
    residuals = np.bincount(cells.ravel(), weights=(probs - y).ravel(), minlength=N * NUM_BINS).astype(np.float64)
    return scores, residuals.reshape(N, NUM_BINS)
