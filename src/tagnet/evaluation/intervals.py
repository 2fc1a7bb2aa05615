"""Bootstrap intervals over records, for single models and for the difference of two (Efron & Tibshirani 1993, ch. 13).

Records are drawn with replacement; a resample is the vector of how often each record was drawn. Every metric is
computed from these weights: counts and means by weighted sums, average precision from one sort of each tag and
cumulative sums of the weights. Two models that are compared meet the same resamples.

Legend: N records, K tags, S resamples (some at a time).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagnet.evaluation.average_precision import SortedScores, average_precisions
from tagnet.evaluation.label_scores import averaged, count, divide, per_tag, weighted_sums
from tagnet.evaluation.metrics import check_predictions, overall_metrics
from tagnet.evaluation.record_scores import CELLS_AT_ONCE, calibration_error, record_scores

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value and the interval around it; all finite, low <= value <= high."""

    value: float
    low: float
    high: float

    def to_plain(self) -> dict[str, float]:
        """The form in which it stands in `metrics.json`."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class BootstrapResult:
    """Intervals of every overall metric, and of F1 and average precision of every tag."""

    overall: dict[str, Estimate]
    f1_low_K: Floats
    f1_high_K: Floats
    average_precision_low_K: Floats
    """nan where no record bears the tag."""
    average_precision_high_K: Floats
    samples: int
    confidence: float


@dataclass(frozen=True)
class Draws:
    """The metrics of every resample."""

    overall: dict[str, Floats]
    """Name → (S,)."""
    f1_SK: Floats
    """nan where the resample has neither a positive nor a prediction of the tag."""
    average_precision_SK: Floats
    """nan where the resample has no positive of the tag."""


def bootstrap(
    probs_NK: NDArray[np.floating],
    y_NK: NDArray[Any],
    accepted_NK: NDArray[np.bool_],
    *,
    samples: int,
    confidence: float,
    seed: int,
    at_k: Sequence[int],
) -> BootstrapResult:
    """Percentile intervals of `overall_metrics` and of the tags.

    Calibration error is no smooth function of the data: resampling adds noise that its absolute values never cancel,
    so its resamples lie above it. Their mean excess is taken off before the percentiles (never below 0).
    An interval always includes its value. A tag at F1 0 or 1 gets none to speak of: a bootstrap cannot see what the
    records do not show.
    """
    check_predictions(probs_NK, y_NK, accepted_NK)
    values = overall_metrics(probs_NK, y_NK, accepted_NK, at_k)
    drawn = draws(probs_NK, y_NK, accepted_NK, samples=samples, seed=seed, at_k=at_k)
    overall = {}
    for name, value in values.items():
        estimate = _estimate(value, _centred(name, value, drawn.overall[name]), confidence)
        overall[name] = Estimate(value, max(0.0, estimate.low), estimate.high)
    f1_K = per_tag(count(y_NK, accepted_NK))["f1"][0]
    f1_low_K, f1_high_K = _percentiles(f1_K, drawn.f1_SK, confidence)
    ap_low_K, ap_high_K = _percentiles(average_precisions(probs_NK, y_NK), drawn.average_precision_SK, confidence)
    return BootstrapResult(overall, f1_low_K, f1_high_K, ap_low_K, ap_high_K, samples, confidence)


def paired_bootstrap(
    probs_NK: NDArray[np.floating],
    accepted_NK: NDArray[np.bool_],
    other_probs_NK: NDArray[np.floating],
    other_accepted_NK: NDArray[np.bool_],
    y_NK: NDArray[Any],
    *,
    samples: int,
    confidence: float,
    seed: int,
    at_k: Sequence[int],
) -> dict[str, Estimate]:
    """Percentile intervals of the first model's metrics minus the other's, on the same resamples of the records.

    An interval without 0 is a difference that the records carry. It says nothing of other seeds or other splits.
    """
    first = draws(probs_NK, y_NK, accepted_NK, samples=samples, seed=seed, at_k=at_k)
    other = draws(other_probs_NK, y_NK, other_accepted_NK, samples=samples, seed=seed, at_k=at_k)
    value = overall_metrics(probs_NK, y_NK, accepted_NK, at_k)
    other_value = overall_metrics(other_probs_NK, y_NK, other_accepted_NK, at_k)
    differences = {}
    for name in value:
        difference = value[name] - other_value[name]
        draws_S = _centred(name, difference, first.overall[name] - other.overall[name])
        differences[name] = _estimate(difference, draws_S, confidence)
    return differences


def draws(
    probs_NK: NDArray[np.floating],
    y_NK: NDArray[Any],
    accepted_NK: NDArray[np.bool_],
    *,
    samples: int,
    seed: int,
    at_k: Sequence[int],
) -> Draws:
    """Every metric on every resample. The resamples depend on N, `samples` and `seed` alone."""
    N, K = y_NK.shape
    y_NK = y_NK > 0
    records = record_scores(probs_NK, y_NK, accepted_NK, at_k)
    full = count(y_NK, accepted_NK)
    sorted_tags = [SortedScores.of(probs_NK[:, k], y_NK[:, k], np.arange(N)) for k in range(K)]
    pooled = SortedScores.of(probs_NK.ravel(), y_NK.ravel(), np.repeat(np.arange(N), K))
    parts: list[dict[str, Floats]] = []
    f1_parts, ap_parts = [], []
    for weights_SN in resample_weights(N, samples, seed, at_once=max(1, min(64, CELLS_AT_ONCE // (N * K)))):
        weights_NS = np.ascontiguousarray(weights_SN.T, dtype=np.float32)
        counts = count(y_NK, accepted_NK, weights_SN)
        part = averaged(counts, full)
        ap_SK = np.stack([tag.average_precision(weights_NS) for tag in sorted_tags], axis=1)
        known_SK = ~np.isnan(ap_SK)
        part["map"] = divide(np.nansum(ap_SK, 1), known_SK.sum(1).astype(np.float64))
        part["map_micro"] = np.nan_to_num(pooled.average_precision(weights_NS), nan=0.0)
        for name, numerator_N in records.numerators.items():
            part[name] = divide(
                weighted_sums(weights_SN, numerator_N), weighted_sums(weights_SN, records.denominators[name])
            )
        part["ece"] = calibration_error(weighted_sums(weights_SN, records.residuals_NB), weights_SN.sum(1) * K)
        parts.append(part)
        ap_parts.append(ap_SK)
        f1_parts.append(np.where(counts.predicted_SK + counts.support_SK > 0, per_tag(counts)["f1"], np.nan))
    overall = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Draws(overall, np.concatenate(f1_parts), np.concatenate(ap_parts))


def resample_weights(num_records: int, samples: int, seed: int, at_once: int) -> Iterator[Floats]:
    """How often each record is drawn in each resample, `at_once` resamples at a time: (S, N), rows sum to N.

    >>> sum(len(w) for w in resample_weights(4, samples=5, seed=0, at_once=2))
    5
    """
    rng = np.random.default_rng(seed)
    for start in range(0, samples, at_once):
        rows = min(at_once, samples - start)
        drawn = (np.bincount(rng.integers(num_records, size=num_records), minlength=num_records) for _ in range(rows))
        yield np.stack([d.astype(np.float64) for d in drawn])


def _centred(name: str, value: float, draws_S: Floats) -> Floats:
    return draws_S - (draws_S.mean() - value) if name == "ece" else draws_S


def _estimate(value: float, draws_S: Floats, confidence: float) -> Estimate:
    tail = 50 * (1 - confidence)
    low, high = np.percentile(draws_S, [tail, 100 - tail])
    return Estimate(value, min(float(low), value), max(float(high), value))


def _percentiles(value_K: Floats, draws_SK: Floats, confidence: float) -> tuple[Floats, Floats]:
    low_K, high_K = value_K.copy(), value_K.copy()
    for k, value in enumerate(value_K):
        known_S = draws_SK[~np.isnan(draws_SK[:, k]), k]
        if not np.isnan(value) and len(known_S):
            estimate = _estimate(float(value), known_S, confidence)
            low_K[k], high_K[k] = estimate.low, estimate.high
    return low_K, high_K
