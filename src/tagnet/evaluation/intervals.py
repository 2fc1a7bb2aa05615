"""Bootstrap intervals over records, for single models and for the difference of two (Efron & Tibshirani 1993, ch. 13).

Records are drawn with replacement; a resample is the vector of how often each record was drawn. Every metric is
computed from these weights: counts and means by weighted sums, average precision from one sort of each tag and
cumulative sums of the weights. Two models that are compared meet the same resamples.

Legend: N records, K tags, S resamples (some at a time).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagnet.evaluation.average_precision import SortedScores, average_precisions
from tagnet.evaluation.label_scores import Counts, averaged, count, divide, per_tag, weighted_sums
from tagnet.evaluation.metrics import check_predictions, overall_metrics
from tagnet.evaluation.record_scores import CELLS_AT_ONCE, calibration_error, record_scores

Floats = NDArray[np.float64]

BIASED = frozenset({"ece", "map", "map_micro", "average_precision"})
"""The metrics that lie higher on resamples than on the records; see `bootstrap`."""


@dataclass(frozen=True)
class Estimate:
    """A value and the interval around it; all finite, low <= value <= high."""

    value: float
    low: float
    high: float

    def to_plain(self) -> dict[str, float]:
        """The form in which it stands in `metrics.json`."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, eq=False)
class Bounds:
    """The interval of one metric of every tag."""

    low_K: Floats
    """nan where the value is: an average precision where no record bears the tag."""
    high_K: Floats


@dataclass(frozen=True, eq=False)
class BootstrapResult:
    """Intervals of every overall metric and of the metrics of every tag."""

    overall: dict[str, Estimate]
    tags: dict[str, Bounds]
    """`precision`, `recall`, `f1`, `average_precision` → their bounds."""
    draws: Mapping[str, Floats]
    """Overall metric → (S,), its value on every resample, centred where `bootstrap` centres it."""
    num_records: int
    seed: int
    confidence: float


@dataclass(frozen=True, eq=False)
class Draws:
    """The metrics of every resample."""

    overall: dict[str, Floats]
    """Name → (S,)."""
    tags: dict[str, Floats]
    """`precision`, `recall`, `f1`, `average_precision` → (S, K); nan where the resample says nothing of the tag:
    precision without a prediction, recall and average precision without a positive, F1 without either."""


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

    Two kinds of metrics lie higher on resamples than on the records, and their mean excess is taken off before the
    percentiles (Efron & Tibshirani 1993, ch. 10). Average precision, because the copies of a positive share its rank:
    each lifts the precision of the other. Calibration error, because resampling adds noise that its absolute values
    never cancel.

    An interval always includes its value and never leaves the range of its metric. A tag whose metric is 0 or 1 gets
    none to speak of, and a tag with a handful of positives one that is too narrow: a bootstrap cannot see what the
    records do not show.
    """
    drawn = draws(probs_NK, y_NK, accepted_NK, samples=samples, seed=seed, at_k=at_k)
    return summarize(probs_NK, y_NK, accepted_NK, drawn, confidence=confidence, seed=seed, at_k=at_k)


def summarize(
    probs_NK: NDArray[np.floating],
    y_NK: NDArray[Any],
    accepted_NK: NDArray[np.bool_],
    drawn: Draws,
    *,
    confidence: float,
    seed: int,
    at_k: Sequence[int],
) -> BootstrapResult:
    """The second half of `bootstrap`, for whoever needs the draws themselves, too; `seed` is theirs."""
    check_predictions(probs_NK, y_NK, accepted_NK)
    values = overall_metrics(probs_NK, y_NK, accepted_NK, at_k)
    overall_draws = {
        name: _centred(value, drawn.overall[name]) if name in BIASED else drawn.overall[name]
        for name, value in values.items()
    }
    overall = {
        name: _estimate(value, overall_draws[name], confidence, 0.0, math.inf if name == "log_loss" else 1.0)
        for name, value in values.items()
    }
    tag_values = {name: value_1K[0] for name, value_1K in per_tag(count(y_NK, accepted_NK)).items()}
    tag_values["average_precision"] = average_precisions(probs_NK, y_NK)
    tags = {
        name: _bounds(value_K, drawn.tags[name], confidence, centre=name in BIASED)
        for name, value_K in tag_values.items()
    }
    return BootstrapResult(overall, tags, overall_draws, len(y_NK), seed, confidence)


def paired_bootstrap(first: BootstrapResult, other: BootstrapResult) -> dict[str, Estimate]:
    """Percentile intervals of the first model's metrics minus the other's, on the same resamples of the records.

    An interval without 0 is a difference that the records carry. It says nothing of other seeds or other splits.

    Raises:
        ValueError: the two were not drawn alike: other records, metrics, seed, confidence or number of resamples.
    """
    if _drawn_how(first) != _drawn_how(other):
        raise ValueError(f"expected two results on the same resamples, found {_drawn_how(first)}, {_drawn_how(other)}")
    return {
        name: _estimate(
            estimate.value - other.overall[name].value, first.draws[name] - other.draws[name], first.confidence
        )
        for name, estimate in first.overall.items()
    }


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
    tag_parts: list[dict[str, Floats]] = []
    for weights_SN in resample_weights(N, samples, seed, at_once=max(1, min(64, CELLS_AT_ONCE // (N * K)))):
        weights_NS = np.ascontiguousarray(weights_SN.T)
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
        tag_parts.append(_known(counts) | {"average_precision": ap_SK})
    return Draws(*({name: np.concatenate([p[name] for p in some]) for name in some[0]} for some in (parts, tag_parts)))


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


def _known(counts: Counts) -> dict[str, Floats]:
    """Precision, recall and F1 of every tag, (S, K), nan where there is nothing to divide by."""
    predicted, support = counts.predicted_SK, counts.support_SK
    denominators = {"precision": predicted, "recall": support, "f1": predicted + support}
    return {name: np.where(denominators[name] > 0, value_SK, np.nan) for name, value_SK in per_tag(counts).items()}


def _drawn_how(result: BootstrapResult) -> tuple[object, ...]:
    shapes = [(name, len(draws_S)) for name, draws_S in result.draws.items()]
    return result.num_records, result.seed, result.confidence, shapes


def _centred(value: float, draws_S: Floats) -> Floats:
    centred_S: Floats = draws_S - (draws_S.mean() - value)
    return centred_S


def _estimate(
    value: float, draws_S: Floats, confidence: float, least: float = -math.inf, most: float = math.inf
) -> Estimate:
    tail = 50 * (1 - confidence)
    low, high = np.clip(np.percentile(draws_S, [tail, 100 - tail]), least, most)
    return Estimate(value, min(float(low), value), max(float(high), value))


def _bounds(value_K: Floats, draws_SK: Floats, confidence: float, *, centre: bool) -> Bounds:
    low_K, high_K = value_K.copy(), value_K.copy()
    for k, value in enumerate(value_K):
        known_S = draws_SK[~np.isnan(draws_SK[:, k]), k]
        if not np.isnan(value) and len(known_S):
            drawn_S = _centred(float(value), known_S) if centre else known_S
            estimate = _estimate(float(value), drawn_S, confidence, 0.0, 1.0)
            low_K[k], high_K[k] = estimate.low, estimate.high
    return Bounds(low_K, high_K)
