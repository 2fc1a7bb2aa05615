"""What the curves of a simulation say together: areas, paired differences, and what a score costs in labels.

Legend: S seeds, R rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagnet.evaluation.intervals import Estimate
from tagnet.evaluation.repeats import mean_of_repeats
from tagnet.labeling.query.strategies import RANDOM
from tagnet.workflows.simulate import Curve, Plan

Floats = NDArray[np.float64]
_DRAWS = 2000


@dataclass(frozen=True, eq=False)
class StrategyResult:
    """One strategy over the seeds that it shares with random."""

    strategy: str
    seeds: tuple[int, ...]
    mean_R: Floats
    """The score of each round, mean over the seeds."""
    low_R: Floats
    high_R: Floats
    area: Estimate
    """Area under the curve by its width: the mean score over all numbers of labels."""
    gain: Estimate | None
    """Of the area over random, paired by seed: mean, and 95% interval by Student's t; None for random itself."""
    gain_corrected: Estimate | None
    """The same, with the interval of Nadeau & Bengio (2003) for seeds that cut one corpus anew: for other corpora."""
    reached: float | None
    """Labels at which the mean curve reaches the target; None: it does not."""
    saved: Estimate | None
    """Labels saved against random at random's last score; interval of a bootstrap of the seeds."""


@dataclass(frozen=True)
class Simulated:
    """All strategies, the greatest area first."""

    metric: str
    target: float
    """The score whose cost is compared: the one asked for, or random's last."""
    results: tuple[StrategyResult, ...]


def summarize(curves: Sequence[Curve], plan: Plan, metric: str, target: float | None = None) -> Simulated:
    """Hold every strategy against random, seed by seed.

    Args:
        curves: whole ones; of each strategy those seeds count that random has, too.
        plan: what was simulated.
        metric: one of `simulate.METRICS`.
        target: the score whose cost in labels is asked; None: random's last.

    Raises:
        ValueError: there is no curve of random.
    """
    of: dict[str, dict[int, Floats]] = {}
    for curve in curves:
        of.setdefault(curve.strategy, {})[curve.seed] = np.array([each.scores[metric] for each in curve.rounds])
    if RANDOM not in of:
        raise ValueError("expected curves of random, found none")
    sizes_R = np.array(plan.sizes, dtype=np.float64)
    last = float(np.mean([values_R[-1] for values_R in of[RANDOM].values()]))
    goal = last if target is None else target
    results = []
    for strategy, by_seed in of.items():
        seeds = sorted(by_seed.keys() & of[RANDOM].keys())
        if seeds:
            pair = [np.stack([of[name][seed] for seed in seeds]) for name in (strategy, RANDOM)]
            results.append(_result(strategy, seeds, pair[0], pair[1], sizes_R, goal, plan))
    return Simulated(metric, goal, tuple(sorted(results, key=lambda each: -each.area.value)))


def area(sizes_R: Floats, values_R: Floats) -> float:
    """Area under a curve by its width, by trapezoids.

    >>> area(np.array([100.0, 200.0, 300.0]), np.array([0.4, 0.5, 0.6]))
    0.5
    """
    return float(np.trapezoid(values_R, sizes_R) / (sizes_R[-1] - sizes_R[0]))


def labels_to_reach(sizes_R: Floats, values_R: Floats, target: float) -> float | None:
    """Labels at which a curve first reaches a score, between rounds by a straight line; None: it does not.

    >>> labels_to_reach(np.array([100.0, 200.0]), np.array([0.4, 0.6]), 0.5)
    150.0
    >>> labels_to_reach(np.array([100.0, 200.0]), np.array([0.4, 0.6]), 0.7) is None
    True
    """
    above = np.flatnonzero(values_R >= target)
    if not len(above):
        return None
    at = int(above[0])
    if at == 0:
        return float(sizes_R[0])
    low, high = values_R[at - 1], values_R[at]
    share = (target - low) / (high - low)
    return float(sizes_R[at - 1] + share * (sizes_R[at] - sizes_R[at - 1]))


def paired_gain(first_S: Sequence[float], other_S: Sequence[float], test_to_train: float = 0.0) -> Estimate:
    """Mean of paired differences and its 95% interval, see `evaluation.repeats`."""
    return mean_of_repeats([one - other for one, other in zip(first_S, other_S, strict=True)], test_to_train)


def to_plain(found: Simulated) -> dict[str, Any]:
    """What summary.json holds."""

    def plain(estimate: Estimate | None) -> dict[str, float] | None:
        return None if estimate is None else estimate.to_plain()

    strategies: Mapping[str, Any] = {
        each.strategy: {
            "seeds": list(each.seeds),
            "curve": each.mean_R.tolist(),
            "area": each.area.to_plain(),
            "gain": plain(each.gain),
            "gain_corrected": plain(each.gain_corrected),
            "labels_at_target": each.reached,
            "labels_saved": plain(each.saved),
        }
        for each in found.results
    }
    return {"metric": found.metric, "target": found.target, "strategies": strategies}


def _result(
    strategy: str,
    seeds: Sequence[int],
    values_SR: Floats,
    random_SR: Floats,
    sizes_R: Floats,
    goal: float,
    plan: Plan,
) -> StrategyResult:
    areas, random_areas = ([area(sizes_R, row_R) for row_R in rows_SR] for rows_SR in (values_SR, random_SR))
    spread = [mean_of_repeats(column_S.tolist(), 0.0) for column_S in values_SR.T]
    is_random = strategy == RANDOM
    ratio = plan.test_share / (1 - plan.test_share)
    return StrategyResult(
        strategy,
        tuple(seeds),
        values_SR.mean(axis=0),
        np.array([each.low for each in spread]),
        np.array([each.high for each in spread]),
        mean_of_repeats(areas, 0.0),
        None if is_random else paired_gain(areas, random_areas),
        None if is_random else paired_gain(areas, random_areas, ratio),
        labels_to_reach(sizes_R, values_SR.mean(axis=0), goal),
        None if is_random else labels_saved(sizes_R, values_SR, random_SR),
    )


def labels_saved(sizes_R: Floats, values_SR: Floats, random_SR: Floats) -> Estimate | None:
    """Labels that a strategy needs fewer than random for random's last score, by where the mean curves first reach it.

    The interval is the percentiles of a bootstrap of the seeds; a curve that does not reach the score counts as one
    that saves nothing. None where the mean curve itself does not reach it.
    """

    def saved(rows: NDArray[np.intp]) -> float | None:
        random_R = random_SR[rows].mean(axis=0)
        reached = labels_to_reach(sizes_R, values_SR[rows].mean(axis=0), random_R[-1])
        own = labels_to_reach(sizes_R, random_R, random_R[-1])
        return None if reached is None or own is None else own - reached

    value = saved(np.arange(len(values_SR)))
    if value is None:
        return None
    rng = np.random.default_rng(0)
    drawn = [saved(rng.integers(len(values_SR), size=len(values_SR))) or 0.0 for _ in range(_DRAWS)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(value, min(float(low), value), max(float(high), value))
