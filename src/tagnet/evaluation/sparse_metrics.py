"""The overall metrics from sparse labels, a block of records or tags at a time: no matrix of records × tags is held.

What a metric needs of a matrix of scores is only where the positives stand among the others, and sums over cells. So a
hundred thousand records × a hundred thousand tags, whose matrix would take forty gigabytes, are measured exactly.

Legend: N records, K tags, P positive cells of a block, n records and k tags of a block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagnet.evaluation.label_scores import Counts, averaged
from tagnet.evaluation.record_scores import NUM_BINS, SMALLEST_PROBABILITY, calibration_error
from tagnet.records.sparse_labels import SparseLabels

Floats = NDArray[np.float64]
ProbabilitiesOf = Callable[[slice, slice], NDArray[np.floating]]
"""Some records and some tags → their probabilities, (n, k)."""
CELLS_AT_ONCE = 2**22


def sparse_metrics(
    probabilities_of: ProbabilitiesOf,
    labels: SparseLabels,
    thresholds_K: NDArray[np.float64],
    at_k: Sequence[int],
    cells_at_once: int = CELLS_AT_ONCE,
) -> dict[str, float]:
    """What `overall_metrics` says, but for `map_micro`, which would need all cells in one order.

    Args:
        probabilities_of: computes a block of calibrated probabilities; every cell is asked for twice.
        labels: of N records.
        thresholds_K: a tag is accepted from its threshold on.
        at_k: the k of precision and recall at k.
        cells_at_once: cells of a block.

    >>> probs = np.array([[0.9, 0.2], [0.4, 0.7], [0.8, 0.1]])
    >>> labels = SparseLabels.from_dense(np.array([[1, 0], [0, 1], [1, 1]], dtype=np.uint8))
    >>> scores = sparse_metrics(lambda records, tags: probs[records, tags], labels, np.full(2, 0.5), [1])
    >>> round(scores["f1_micro"], 3), round(scores["map"], 3), scores["precision_at_1"]
    (0.857, 0.917, 1.0)
    """
    num_records, num_tags = labels.shape
    sums = dict.fromkeys(("brier", "log_loss", "hamming_loss", "subset_accuracy", "ndcg", "lrap"), 0.0)
    sums |= {f"{name}_at_{k}": 0.0 for k in at_k for name in ("precision", "recall")}
    hits_K, predicted_K = np.zeros(num_tags), np.zeros(num_tags)
    residuals_B = np.zeros(NUM_BINS)
    discounts_K = 1 / np.log2(np.arange(num_tags) + 2)
    ideal = np.concatenate([[0.0], np.cumsum(discounts_K)])
    for records in _blocks(num_records, max(1, cells_at_once // num_tags)):
        probs_nK = probabilities_of(records, slice(0, num_tags)).astype(np.float64, copy=False)
        own = labels.take(np.arange(records.start, records.stop))
        row_P, tag_P = own.rows(), own.tags.astype(np.int64)
        accepted_nK = probs_nK >= thresholds_K
        hit_P = accepted_nK[row_P, tag_P]
        hits_K += np.bincount(tag_P[hit_P], minlength=num_tags)
        predicted_K += accepted_nK.sum(0)
        size_n = np.diff(own.starts)
        wrong_n = accepted_nK.sum(1) + size_n - 2 * np.bincount(row_P[hit_P], minlength=len(size_n))
        sums["hamming_loss"] += float(wrong_n.sum()) / num_tags
        sums["subset_accuracy"] += float((wrong_n == 0).sum())
        _add_cells(sums, residuals_B, probs_nK, row_P, tag_P)
        _add_ranks(
            sums, _rank_positives(probs_nK, row_P, tag_P, cells_at_once), row_P, size_n, discounts_K, ideal, at_k
        )
    counts = Counts(hits_K[None], predicted_K[None], labels.counts_K()[None].astype(np.float64))
    scores = {name: float(value_S[0]) for name, value_S in averaged(counts).items()}
    by_tag_K = sparse_average_precisions(probabilities_of, labels, cells_at_once)
    known_K = ~np.isnan(by_tag_K)
    scores["map"] = float(by_tag_K[known_K].mean()) if known_K.any() else 0.0
    num_tagged = max(1, int((np.diff(labels.starts) > 0).sum()))
    for name, total in sums.items():
        over_tagged = name in ("ndcg", "lrap") or name.startswith("recall_at_")
        scores[name] = total / (num_tagged if over_tagged else num_records)
    num_cells = np.array([float(num_records) * num_tags])
    scores["ece"] = float(calibration_error(residuals_B[None], num_cells)[0])
    return scores


def sparse_average_precisions(
    probabilities_of: ProbabilitiesOf, labels: SparseLabels, cells_at_once: int = CELLS_AT_ONCE
) -> Floats:
    """Average precision of each tag, (K,); nan where no record bears it.

    A positive's precision is the share of positives among all records that score at least as high as it does.
    """
    num_records, num_tags = labels.shape
    by_tag = labels.records_by_tag()
    result_K = np.full(num_tags, np.nan)
    for tags in _blocks(num_tags, max(1, cells_at_once // num_records)):
        probs_Nk = probabilities_of(slice(0, num_records), tags).astype(np.float64, copy=False)
        for tag in range(tags.start, tags.stop):
            bearing = by_tag.tags[by_tag.starts[tag] : by_tag.starts[tag + 1]]
            if len(bearing):
                column_N = probs_Nk[:, tag - tags.start]
                scores = np.sort(column_N[bearing])
                reached = np.bincount(np.searchsorted(scores, column_N, side="right"), minlength=len(scores) + 1)
                all_at_least = np.cumsum(reached[:0:-1])[::-1]
                # Of equal scores, the first place in ascending order has all of them at or above it.
                first = np.searchsorted(scores, scores, side="left")
                result_K[tag] = ((len(scores) - first) / all_at_least[first]).mean()
    return result_K


@dataclass(frozen=True)
class _Ranks:
    """Where the positive cells of a block stand in their records."""

    place_P: NDArray[np.int64]
    """From 0; of equal probabilities the tag with the lower column comes first."""
    at_least_P: NDArray[np.int64]
    """Tags of the record with at least this probability."""
    positives_at_least_P: NDArray[np.int64]
    """Tags that the record bears, among them."""


def _rank_positives(probs_nK: Floats, row_P: NDArray[np.int64], tag_P: NDArray[np.int64], cells_at_once: int) -> _Ranks:
    own_P = probs_nK[row_P, tag_P]
    above_P, equal_P, before_P = (np.zeros(len(row_P), dtype=np.int64) for _ in range(3))
    for part in _blocks(len(row_P), max(1, cells_at_once // probs_nK.shape[1])):
        others_pK = probs_nK[row_P[part]]
        above_P[part] = (others_pK > own_P[part, None]).sum(1)
        place, column = np.nonzero(others_pK == own_P[part, None])
        size = part.stop - part.start
        equal_P[part] = np.bincount(place, minlength=size)
        before_P[part] = np.bincount(place[column < tag_P[part][place]], minlength=size)
    # Positives of a record stand together: each is compared with those of its own record alone.
    order = np.lexsort((-own_P, row_P))
    row, score = row_P[order], own_P[order]
    last = np.ones(len(order), dtype=bool)
    last[:-1] = (row[1:] != row[:-1]) | (score[1:] != score[:-1])
    ends = np.flatnonzero(last)
    end = ends[np.searchsorted(ends, np.arange(len(order)))]
    first_of_row = np.searchsorted(row, row, side="left")
    among_P = np.empty(len(order), dtype=np.int64)
    among_P[order] = end - first_of_row + 1
    return _Ranks(above_P + before_P, above_P + equal_P, among_P)


def _add_ranks(
    sums: dict[str, float],
    ranks: _Ranks,
    row_P: NDArray[np.int64],
    size_n: NDArray[np.int64],
    discounts_K: Floats,
    ideal: Floats,
    at_k: Sequence[int],
) -> None:
    def by_record(values_P: Floats) -> Floats:
        return np.bincount(row_P, values_P, minlength=len(size_n)).astype(np.float64)

    tagged_n = size_n > 0
    for k in at_k:
        most = min(k, len(discounts_K))
        hits_n = by_record((ranks.place_P < most).astype(np.float64))
        sums[f"precision_at_{k}"] += float(hits_n.sum()) / most
        sums[f"recall_at_{k}"] += float((hits_n[tagged_n] / size_n[tagged_n]).sum())
    gains_n = by_record(discounts_K[ranks.place_P])
    sums["ndcg"] += float((gains_n[tagged_n] / ideal[size_n[tagged_n]]).sum())
    precision_n = by_record(ranks.positives_at_least_P / np.maximum(ranks.at_least_P, 1))
    sums["lrap"] += float((precision_n[tagged_n] / size_n[tagged_n]).sum())


def _add_cells(
    sums: dict[str, float], residuals_B: Floats, probs_nK: Floats, row_P: NDArray[np.int64], tag_P: NDArray[np.int64]
) -> None:
    """Sums over all cells as if none were positive, then what the positive ones change."""
    num_tags = probs_nK.shape[1]
    own_P = probs_nK[row_P, tag_P]
    sums["brier"] += (float(np.vdot(probs_nK, probs_nK)) + float((1 - 2 * own_P).sum())) / num_tags
    clipped_nK = np.clip(probs_nK, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    clipped_P = np.clip(own_P, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    negative = -float(np.log1p(-clipped_nK).sum())
    sums["log_loss"] += (negative + float((np.log1p(-clipped_P) - np.log(clipped_P)).sum())) / num_tags
    # Almost every cell lies in the lowest bin: only the others are looked at one by one.
    high = probs_nK[probs_nK >= 1 / NUM_BINS]
    bins = np.minimum((high * NUM_BINS).astype(int), NUM_BINS - 1)
    by_bin = np.bincount(bins, high, minlength=NUM_BINS).astype(np.float64)
    by_bin[0] += float(probs_nK.sum()) - float(high.sum())
    positive_bins = np.minimum((own_P * NUM_BINS).astype(int), NUM_BINS - 1)
    residuals_B += by_bin - np.bincount(positive_bins, minlength=NUM_BINS)


def _blocks(number: int, size: int) -> Iterator[slice]:
    for start in range(0, number, size):
        yield slice(start, min(start + size, number))
