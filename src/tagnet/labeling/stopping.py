"""When to stop labelling: the target is reached, the budget spent, predictions stand still, or no more is to be gained.

Legend: N records of a fixed set without labels, K tags, R rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tagnet.errors import ConfigError
from tagnet.evaluation.intervals import Estimate

Reason = Literal["target", "budget", "stable", "forecast"]
Floats = NDArray[np.float64]

LEAST_ROUNDS = 4
"""Rounds that a forecast needs: one more than the power law has parameters."""
_DRAWS = 1000
_RATES_G: Floats = np.geomspace(0.05, 3, 200)


@dataclass(frozen=True)
class StoppingRules:
    """What ends the labelling; None: this does not."""

    target: float | None = None
    """The score to reach."""
    budget: int | None = None
    """The most labelled records."""
    agreement: float | None = 0.99
    """Cohen's κ of the decisions of successive rounds, from which on they stand still."""
    rounds: int = 3
    """How many successive rounds must stand still."""
    least_gain: float | None = None
    """Stop where even the upper end of the forecast for the budget promises no more than this."""

    def __post_init__(self) -> None:
        if self.target is not None and not 0 < self.target <= 1:
            raise ConfigError(f"target: expected a score above 0 and at most 1, found {self.target}")
        if self.budget is not None and self.budget < 1:
            raise ConfigError(f"budget: expected at least 1 record, found {self.budget}")
        if self.agreement is not None and not 0 < self.agreement <= 1:
            raise ConfigError(f"agreement: expected a κ above 0 and at most 1, found {self.agreement}")
        if self.rounds < 1:
            raise ConfigError(f"rounds: expected at least 1, found {self.rounds}")
        if self.least_gain is not None and self.budget is None:
            raise ConfigError("least gain: expected a budget, up to which the score is forecast, found none")


@dataclass(frozen=True)
class Stop:
    """That it is time to stop, and why."""

    reason: Reason
    detail: str
    """In words, with the numbers."""


def should_stop(
    rules: StoppingRules,
    labels: Sequence[int],
    scores: Sequence[float],
    decisions: Sequence[NDArray[Any]] = (),
    seed: int = 0,
) -> Stop | None:
    """The first rule that says stop: target, budget, stable predictions, forecast; None: go on.

    Args:
        rules: what ends the labelling.
        labels: (R,) labelled records of each round, ascending.
        scores: (R,) the score of each round, on validation or by an unbiased estimate; never on test.
        decisions: of each round (N, K) bool on one fixed set without labels; of the last rounds is enough.
        seed: of the forecast.

    >>> should_stop(StoppingRules(target=0.7), [100, 150], [0.6, 0.71]).detail
    'the score is 0.710, the target 0.700'
    >>> should_stop(StoppingRules(target=0.7), [100, 150], [0.6, 0.65]) is None
    True
    """
    if not labels or len(labels) != len(scores):
        raise ValueError(f"expected as many scores as rounds, at least 1; found {len(labels)} and {len(scores)}")
    if rules.target is not None and scores[-1] >= rules.target:
        return Stop("target", f"the score is {scores[-1]:.3f}, the target {rules.target:.3f}")
    if rules.budget is not None and labels[-1] >= rules.budget:
        return Stop("budget", f"{labels[-1]} records are labelled, the budget is {rules.budget}")
    if rules.agreement is not None and len(decisions) > rules.rounds:
        kappas = [
            agreement(*pair) for pair in zip(decisions[-rules.rounds - 1 : -1], decisions[-rules.rounds :], strict=True)
        ]
        if min(kappas) >= rules.agreement:
            shown = ", ".join(f"{kappa:.3f}" for kappa in kappas)
            return Stop("stable", f"decisions on the fixed set stand still: κ {shown}, each at least {rules.agreement}")
    if rules.least_gain is not None and rules.budget is not None and len(labels) >= LEAST_ROUNDS:
        ahead = forecast(labels, scores, rules.budget, seed=seed)
        if ahead.high - scores[-1] <= rules.least_gain:
            return Stop(
                "forecast",
                f"the score is {scores[-1]:.3f}; with {rules.budget} records {ahead.value:.3f} is to be expected, "
                f"{ahead.low:.3f} to {ahead.high:.3f}",
            )
    return None


def agreement(first_NK: NDArray[Any], second_NK: NDArray[Any]) -> float:
    """Cohen's κ of two rounds' decisions, all cells pooled; 1 where both say the same everywhere.

    Bloodgood & Vijay-Shanker 2009, "A method for stopping active learning based on stabilizing predictions", §3, stop
    at κ ≥ .99 in three successive rounds. κ, because most cells are negative, and plain agreement is always high.

    >>> agreement(np.array([[1, 0], [1, 0]]), np.array([[1, 0], [0, 1]]))
    0.0
    """
    first, second = np.asarray(first_NK, dtype=bool), np.asarray(second_NK, dtype=bool)
    if first.shape != second.shape:
        raise ValueError(f"expected decisions on one set, found the shapes {first.shape} and {second.shape}")
    same = float((first == second).mean()) if first.size else 1.0
    yes, other = (float(each.mean()) if each.size else 0.0 for each in (first, second))
    by_chance = yes * other + (1 - yes) * (1 - other)
    return 1.0 if same == 1 else (same - by_chance) / (1 - by_chance)


@dataclass(frozen=True)
class PowerLaw:
    """score(n) = ceiling − drop · (n / first)^(−rate), first: the labels of the first round."""

    ceiling: float
    drop: float
    rate: float
    first: float

    def at(self, labels: float | Floats) -> Any:
        """The score with so many labels."""
        return self.ceiling - self.drop * (np.asarray(labels, dtype=np.float64) / self.first) ** -self.rate

    def labels_for(self, target: float) -> float | None:
        """Labels that bring the target; None: the curve stays below it.

        >>> round(PowerLaw(0.8, 0.4, 0.5, 100).labels_for(0.6))
        400
        """
        if target >= self.ceiling:
            return None
        if self.drop <= 0:
            return self.first
        return float(self.first * ((self.ceiling - target) / self.drop) ** (-1 / self.rate))


def fit_power_law(labels: Sequence[int], scores: Sequence[float]) -> PowerLaw:
    """The power law that fits a learning curve best (Figueroa et al. 2012, §2.2), the ceiling at most 1.

    Raises:
        ValueError: there are fewer than `LEAST_ROUNDS` rounds.

    >>> true = PowerLaw(0.8, 0.4, 0.5, 100)
    >>> sizes = [100, 150, 200, 300, 400]
    >>> found = fit_power_law(sizes, [float(true.at(n)) for n in sizes])
    >>> round(found.ceiling, 2), round(found.rate, 2)
    (0.8, 0.5)
    """
    if len(labels) < LEAST_ROUNDS or len(labels) != len(scores):
        raise ValueError(f"expected at least {LEAST_ROUNDS} rounds with their scores, found {len(labels)}")
    sizes_R, scores_R = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    ceiling, drop, rate = _fit(sizes_R / sizes_R[0], scores_R[None])[0].tolist()
    return PowerLaw(ceiling, drop, rate, float(sizes_R[0]))


def _fit(ratios_R: Floats, scores_BR: Floats) -> Floats:
    """Ceiling, drop and rate of B curves, (B, 3): for each rate of a grid the other two by least squares."""
    powers_GR = ratios_R ** -_RATES_G[:, None]
    centred_GR = powers_GR - powers_GR.mean(axis=1, keepdims=True)
    means_B1 = scores_BR.mean(axis=1, keepdims=True)
    drops_BG = np.clip(-(scores_BR - means_B1) @ centred_GR.T / (centred_GR**2).sum(axis=1), 0, 1)
    ceilings_BG = means_B1 + drops_BG * powers_GR.mean(axis=1)
    # A ceiling above 1 is held at 1, and the drop follows.
    held_BG = np.clip((1 - scores_BR) @ powers_GR.T / (powers_GR**2).sum(axis=1), 0, 1)
    drops_BG = np.where(ceilings_BG > 1, held_BG, drops_BG)
    ceilings_BG = np.minimum(ceilings_BG, 1.0)
    errors_BG = ((ceilings_BG[..., None] - drops_BG[..., None] * powers_GR - scores_BR[:, None]) ** 2).sum(axis=2)
    best_B = errors_BG.argmin(axis=1)
    each = np.arange(len(scores_BR))
    return np.stack([ceilings_BG[each, best_B], drops_BG[each, best_B], _RATES_G[best_B]], axis=1)


def forecast(
    labels: Sequence[int], scores: Sequence[float], ahead: int, *, confidence: float = 0.9, seed: int = 0
) -> Estimate:
    """The score to be expected with `ahead` labels, and the interval into which one measurement of it falls.

    The interval is of a parametric bootstrap (Efron & Tibshirani 1993, ch. 6): curves are drawn anew around the fitted
    one and fitted again, and the noise of one more round is added. Three parameters follow the points, so that the
    noise is known from R − 3 degrees of freedom alone; it is drawn, too, which makes the interval wide while there are
    few rounds.

    Raises:
        ValueError: there are fewer than `LEAST_ROUNDS` rounds.
    """
    law = fit_power_law(labels, scores)
    sizes_R = np.asarray(labels, dtype=np.float64)
    fitted_R, free = law.at(sizes_R), len(labels) - 3
    squares = float(((np.asarray(scores) - fitted_R) ** 2).sum())
    rng = np.random.default_rng(seed)
    spread_B1 = np.sqrt(squares / rng.chisquare(free, size=(_DRAWS, 1)))
    drawn_BR = np.clip(fitted_R + spread_B1 * rng.normal(size=(_DRAWS, len(labels))), 0, 1)
    ceilings_B, drops_B, rates_B = _fit(sizes_R / law.first, drawn_BR).T
    ahead_B = ceilings_B - drops_B * (ahead / law.first) ** -rates_B + spread_B1[:, 0] * rng.normal(size=_DRAWS)
    tail = 50 * (1 - confidence)
    low, high = np.clip(np.percentile(ahead_B, [tail, 100 - tail]), 0, 1)
    value = float(law.at(ahead))
    return Estimate(value, min(float(low), value), max(float(high), value))
