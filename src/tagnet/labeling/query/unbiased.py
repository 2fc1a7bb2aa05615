"""How good the model is on the pool, from the records of a batch that were drawn at random.

What a strategy chose is what the model finds hard, or rare tags, or odd texts: measured on it, the model looks worse or
better than it is. The random share alone is a fair sample.

Legend: N answered records, K tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagnet.evaluation.intervals import Estimate, bootstrap

LEAST_RECORDS = 10
"""Fewer of them say nothing."""


@dataclass(frozen=True)
class PoolQuality:
    """The model's quality on the pool from which the sample was drawn."""

    num_records: int
    """Size of the sample."""
    metrics: dict[str, Estimate]
    """Metric → value and interval."""


def unbiased_quality(
    probs_NK: NDArray[np.floating],
    y_NK: NDArray[Any],
    thresholds_K: NDArray[np.floating],
    is_random_N: NDArray[np.bool_],
    *,
    samples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> PoolQuality | None:
    """Metrics on the records that were drawn at random, with bootstrap intervals.

    Every record of the pool had the same chance to be drawn, so that sums over the sample, times the pool's size by the
    sample's, are unbiased for the pool (Horvitz & Thompson 1952), and F1, a ratio of sums, is consistent. It speaks
    of the pool as it was when the batch was drawn, and only of a model that has not learned from these records.
    Samples of later rounds are of smaller pools, without what strategies had taken before.

    Args:
        probs_NK: calibrated probabilities of the model that asked.
        y_NK: what was answered.
        thresholds_K: from which probability on a tag is accepted.
        is_random_N: `Chosen.is_random`.
        samples: resamples behind each interval.
        confidence: coverage of the intervals.
        seed: of the resamples.

    Returns:
        None where the sample has fewer than `LEAST_RECORDS`.
    """
    drawn = np.flatnonzero(is_random_N)
    if len(drawn) < LEAST_RECORDS:
        return None
    probs_RK, y_RK = probs_NK[drawn], y_NK[drawn]
    found = bootstrap(
        probs_RK, y_RK, probs_RK >= thresholds_K, samples=samples, confidence=confidence, seed=seed, at_k=(1,)
    )
    return PoolQuality(len(drawn), found.overall)
