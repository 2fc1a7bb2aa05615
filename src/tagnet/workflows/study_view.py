"""What there is to say of a sweep: its trials in order, the best one, and how it compares with the recipe as it was."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from tagnet.workflows.importance import Importances, importances
from tagnet.workflows.study_files import Sweep, Trial

State = Literal["complete", "pruned", "failed", "running"]
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True)
class StudyView:
    """A sweep as people look at it, finished or not."""

    sweep: Sweep
    ranked: tuple[Trial, ...]
    """All trials: the complete ones, best first; then the pruned, the running, the failed."""
    counts: Mapping[State, int]
    best: Trial | None
    """Of the complete ones."""
    default: Trial | None
    """The trial that is the recipe without anything changed, complete or not."""
    varying: tuple[str, ...]
    """Searched keys that differ between the trials, the weightiest first."""
    failures: Mapping[str, tuple[int, ...]]
    """Reason → the trials that failed for it."""
    importances: Importances

    @property
    def gain(self) -> float | None:
        """By how much the best is better than the recipe as it was (unit: the objective's); None: not to be told."""
        best, default = self.best, self.default
        if best is None or default is None or default.state != "complete":
            return None
        if best.value is None or default.value is None:
            return None
        return (best.value - default.value) * sign(self.sweep)


def view_study(sweep: Sweep, trials: Sequence[Trial], recipe: Mapping[str, Any] | None = None) -> StudyView:
    """Order and count the trials of a sweep.

    Args:
        sweep: what is searched.
        trials: any number of them.
        recipe: flat key → value of the settings that all trials share, so that the trial which changes nothing is
            found; None: only one that has no settings of its own is taken for it.
    """
    ranked = rank(sweep, trials)
    weights = importances(sweep, trials)
    complete = [trial for trial in ranked if trial.state == "complete"]
    failures: dict[str, tuple[int, ...]] = {}
    for trial in sorted(trials, key=lambda trial: trial.number):
        if trial.state == "failed":
            reason = (trial.reason or "it did not say why").partition("; see ")[0]
            failures[reason] = (*failures.get(reason, ()), trial.number)
    return StudyView(
        sweep=sweep,
        ranked=ranked,
        counts={state: sum(trial.state == state for trial in trials) for state in STATES},
        best=complete[0] if complete else None,
        default=next((trial for trial in sorted(trials, key=_number) if _changes_nothing(trial, recipe)), None),
        varying=_varying(sweep, trials, weights),
        failures=failures,
        importances=weights,
    )


def rank(sweep: Sweep, trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """The complete trials by objective and tie-break, best first; then the pruned, the running, the failed."""
    order: Mapping[str, int] = {"complete": 0, "pruned": 1, "running": 2, "failed": 3}

    def key(trial: Trial) -> tuple[float, ...]:
        value = -math.inf if trial.value is None else trial.value * sign(sweep)
        tie_break = -math.inf if trial.tie_break is None else trial.tie_break
        return order[trial.state], -value, -tie_break, trial.number

    return tuple(sorted(trials, key=key))


def sign(sweep: Sweep) -> int:
    """1 where more of the objective is better, else −1."""
    return 1 if sweep.direction == "maximize" else -1


def verdict(view: StudyView) -> str:
    """Whether the best trial beats the recipe as it was, in words."""
    best, default, name = view.best, view.default, view.sweep.objective
    if best is None or best.value is None:
        return "No trial is complete yet."
    number = view.counts["complete"]
    reached = f"trial {best.number} reaches {name} {best.value:.4f}"
    if default is None:
        return f"Of {_complete(number)}, {reached}. None is the recipe as it was, so nothing shows whether it gains."
    if default.number == best.number:
        return f"The recipe as it was, trial {best.number}, is still the best of {_complete(number)}: {best.value:.4f}."
    if view.gain is None or default.value is None:
        return f"Of {_complete(number)}, {reached}. The recipe as it was, trial {default.number}, is {default.state}."
    return (
        f"Of {_complete(number)}, {reached}: {view.gain:.4f} better than the recipe as it was "
        f"(trial {default.number}, {default.value:.4f}). "
        "The best of many owes something to luck: test records will say how much."
    )


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Keys by their last word where that is enough.

    >>> short_names(["loss", "optim.lr", "loss.gamma", "sampler.gamma"])
    {'loss': 'loss', 'optim.lr': 'lr', 'loss.gamma': 'loss.gamma', 'sampler.gamma': 'sampler.gamma'}
    """
    last = [key.rpartition(".")[2] for key in keys]
    return {key: word if last.count(word) == 1 else key for key, word in zip(keys, last, strict=True)}


def value_text(value: Any) -> str:
    """A searched value as people write it.

    >>> [value_text(value) for value in (0.000123456, 16, True, None, "focal")]
    ['0.0001235', '16', 'true', 'null', 'focal']
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _complete(number: int) -> str:
    return f"{number} complete trial" + ("" if number == 1 else "s")


def _number(trial: Trial) -> int:
    return trial.number


def _changes_nothing(trial: Trial, recipe: Mapping[str, Any] | None) -> bool:
    if not trial.overrides:
        return True
    if recipe is None or not trial.params:
        return False
    return all(key in recipe and _same(value, recipe[key]) for key, value in trial.params.items())


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool) or not isinstance(one, int | float):
        return bool(one == other)
    # Proposed numbers are rounded to four digits.
    return isinstance(other, int | float) and math.isclose(one, other, rel_tol=1e-3)


def _varying(sweep: Sweep, trials: Sequence[Trial], weights: Importances) -> tuple[str, ...]:
    share: dict[str, float] = {}
    for row in weights.rows:
        key = row.name.partition(" when ")[0]
        share[key] = share.get(key, 0.0) + row.share
    keys = [name.partition(" when ")[0] for name in sweep.space]
    keys += [key for trial in trials for key in trial.params]
    missing = object()
    found = [
        key
        for key in dict.fromkeys(keys)
        if len({repr(trial.params.get(key, missing)) for trial in trials if trial.params}) > 1
    ]
    return tuple(sorted(found, key=lambda key: -share.get(key, 0.0)))
