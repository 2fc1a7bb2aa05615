"""A search space: which settings a sweep may change, and to what.

A dimension is a key with its values; one with a condition counts only where another key has a given value, as
`loss.gamma` does where `loss` is `focal`. Values are texts in Hydra's grammar, as a command line would give them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    options: tuple[str, ...]

    def __str__(self) -> str:
        return f"choice({','.join(self.options)})"


@dataclass(frozen=True)
class Interval:
    """A number between two others, both included."""

    low: float
    high: float
    log: bool = False
    """Whether factors count alike, rather than differences."""
    integer: bool = False

    def __str__(self) -> str:
        low, high = (f"{int(end)}" if self.integer else f"{end:g}" for end in (self.low, self.high))
        text = f"interval({low},{high})"
        return f"tag(log,{text})" if self.log else text


@dataclass(frozen=True)
class Condition:
    """Another key, and the value that it must have."""

    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


@dataclass(frozen=True)
class Dimension:
    """A key that is searched."""

    key: str
    values: Choice | Interval
    when: Condition | None = None

    @property
    def name(self) -> str:
        """What the study calls it: the key, with its condition, so that two losses may have a `loss.gamma` each."""
        return self.key if self.when is None else f"{self.key} when {self.when}"


@dataclass(frozen=True)
class Proposal:
    """The settings of a trial."""

    overrides: tuple[str, ...]
    params: Mapping[str, Any]


def describe(space: Sequence[Dimension]) -> dict[str, str]:
    """A space in words: what sweep.json holds, and two sweeps are compared by.

    >>> describe([Dimension("loss.gamma", Interval(0.5, 4.0), Condition("loss", "focal"))])
    {'loss.gamma when loss=focal': 'interval(0.5,4)'}
    """
    return {dimension.name: str(dimension.values) for dimension in space}


def suggest(trial: optuna.Trial, space: Sequence[Dimension]) -> Proposal:
    """Let a trial choose a value for every dimension that applies, the conditions first."""
    texts: dict[str, str] = {}
    for dimension in sorted(space, key=lambda each: each.when is not None):
        if dimension.when is not None and texts.get(dimension.when.key) != dimension.when.value:
            continue
        texts[dimension.key] = _suggest(trial, dimension)
    return Proposal(
        overrides=tuple(f"{key}={text}" for key, text in texts.items()),
        params={key: plain_value(text) for key, text in texts.items()},
    )


def _suggest(trial: optuna.Trial, dimension: Dimension) -> str:
    values = dimension.values
    if isinstance(values, Choice):
        return str(trial.suggest_categorical(dimension.name, values.options))
    if values.integer:
        return str(trial.suggest_int(dimension.name, int(values.low), int(values.high), log=values.log))
    # Four digits read well, and no learning rate is known better.
    return f"{trial.suggest_float(dimension.name, values.low, values.high, log=values.log):.4g}"


def default_point(space: Sequence[Dimension], settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """Where the settings that are not searched would lie in the space; None where they lie outside.

    Args:
        space: what is searched.
        settings: flat key → value of the recipe without any trial's own settings; of a group the name of its option.

    >>> space = [Dimension("loss", Choice(("bce", "focal"))), Dimension("optim.lr", Interval(1e-5, 1e-3, log=True))]
    >>> default_point(space, {"loss": "bce", "optim.lr": 1e-4})
    {'loss': 'bce', 'optim.lr': 0.0001}
    >>> default_point(space, {"loss": "asl", "optim.lr": 1e-4}) is None
    True
    """
    point: dict[str, Any] = {}
    for dimension in space:
        when = dimension.when
        if when is not None and str(settings.get(when.key)) != when.value:
            continue
        value, values = settings.get(dimension.key), dimension.values
        if isinstance(values, Choice):
            texts = [text for text in values.options if plain_value(text) == value]
            if not texts:
                return None
            point[dimension.name] = texts[0]
        elif isinstance(value, int | float) and values.low <= value <= values.high:
            point[dimension.name] = value
        else:
            return None
    return point


def quoted(value: str) -> str:
    r"""A text as Hydra's grammar quotes it, where it needs it: only backslashes before a quote are special there.

    >>> quoted("runs/sweep"), quoted("it's, here")
    ('runs/sweep', "'it\\'s, here'")
    """
    if re.fullmatch(r"[A-Za-z0-9_./-]+", value):
        return value
    text = re.sub(r"(\\*)'", r"\1\1\\'", value)
    return "'" + re.sub(r"(\\+)$", r"\1\1", text) + "'"


def plain_value(text: str) -> str | int | float | bool | None:
    """The value that a text of Hydra's grammar stands for, as far as plots need it.

    >>> [plain_value(text) for text in ("bce", "3", "1e-4", "true", "null", "[a,b]")]
    ['bce', 3, 0.0001, True, None, '[a,b]']
    """
    words: dict[str, bool | None] = {"true": True, "false": False, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
