"""Precision, recall and F1 from counts, for one set of records or for many resamples of it at once.

Legend: S resamples (1 where nothing is resampled), N records, K tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
AVERAGES = ("micro", "macro", "weighted")


@dataclass(frozen=True)
class Counts:
    """What precision, recall and F1 of a tag are made of, weighted where records are."""

    true_positives_SK: Floats
    """Records that bear the tag and were given it."""
    predicted_SK: Floats
    """Records that were given the tag."""
    support_SK: Floats
    """Records that bear the tag."""


def count(y_NK: NDArray[Any], accepted_NK: NDArray[np.bool_], weights_SN: Floats | None = None) -> Counts:
    """Count hits, predictions and positives of every tag; without weights S is 1.

    >>> count(np.array([[1, 0], [1, 1]]), np.array([[True, True], [False, True]])).predicted_SK.tolist()
    [[1.0, 2.0]]
    """
    y, accepted = y_NK.astype(np.float64), accepted_NK.astype(np.float64)
    weights = np.ones((1, len(y))) if weights_SN is None else weights_SN.astype(np.float64)
    return Counts(*(weighted_sums(weights, values) for values in (y * accepted, accepted, y)))


def weighted_sums(weights_SN: Floats, values: Floats) -> Floats:
    """Sum values of the records, (N,) or (N, K), under each weighting: (S,) or (S, K).

    A matrix product without BLAS: its threads fight for the processor when others use it too, and can cost ten times
    the work that they share.
    """
    sums: Floats = np.einsum("sn,...n->s...", weights_SN, np.ascontiguousarray(values.T))
    return sums


def divide(numerator: Floats, denominator: Floats) -> Floats:
    """Divide, with 0 where the denominator is 0 (scikit-learn's `zero_division=0`)."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def per_tag(counts: Counts) -> dict[str, Floats]:
    """`precision`, `recall` and `f1` of every tag, each (S, K)."""
    tp, predicted, support = counts.true_positives_SK, counts.predicted_SK, counts.support_SK
    return {
        "precision": divide(tp, predicted),
        "recall": divide(tp, support),
        "f1": divide(2 * tp, predicted + support),
    }


def averaged(counts: Counts, full: Counts | None = None) -> dict[str, Floats]:
    """`f1_micro` … `recall_weighted`, each (S,); with S = 1 they are scikit-learn's, `zero_division=0`.

    A resample can lose a tag: its positives, its predictions or both. Counting it as 0 there would pull the macro
    averages of all resamples below the value itself, the more the rarer the tags. So where `full`, the counts of all
    records, has a denominator and the resample has none, the tag is left out of that resample's macro average.
    """
    full = counts if full is None else full
    denominators = {
        "f1": (counts.predicted_SK + counts.support_SK, full.predicted_SK + full.support_SK),
        "precision": (counts.predicted_SK, full.predicted_SK),
        "recall": (counts.support_SK, full.support_SK),
    }
    by_tag = per_tag(counts)
    pooled = per_tag(
        Counts(*(a.sum(1, keepdims=True) for a in (counts.true_positives_SK, counts.predicted_SK, counts.support_SK)))
    )
    scores = {}
    for metric, (here_SK, in_full_SK) in denominators.items():
        value_SK = by_tag[metric]
        counted_SK = ((here_SK > 0) | (in_full_SK == 0)).astype(np.float64)
        scores[f"{metric}_micro"] = pooled[metric][:, 0]
        scores[f"{metric}_macro"] = divide((value_SK * counted_SK).sum(1), counted_SK.sum(1))
        scores[f"{metric}_weighted"] = divide((value_SK * counts.support_SK).sum(1), counts.support_SK.sum(1))
    return scores
