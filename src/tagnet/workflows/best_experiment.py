"""The settings of a sweep's best trial as an experiment file, ready to run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tagnet.atomic import write_text
from tagnet.evaluation.table_parts import duration
from tagnet.workflows.study_files import Sweep, Trial


@dataclass(frozen=True)
class Recipe:
    """Settings in the two kinds that an experiment file knows."""

    choices: Mapping[str, str]
    """Group → the option that is chosen: `loss` → `focal`."""
    values: Mapping[str, Any]
    """Dotted key → value: `optim.lr` → 0.0001."""


def write_best(path: Path, sweep: Sweep, trial: Trial, recipe: Recipe) -> None:
    """Write the experiment file of a complete trial.

    Raises:
        RunDirectoryError: it cannot be written.
    """
    write_text(path, experiment_yaml(recipe, _header(path, sweep, trial)))


def experiment_yaml(recipe: Recipe, header: tuple[str, ...]) -> str:
    """An experiment as Hydra reads it: its remarks, the choices that it overrides, its values.

    >>> print(experiment_yaml(Recipe({"loss": "focal"}, {"loss.gamma": 1.5, "encoder": "tiny"}), ("Trial 3.",)), end="")
    # @package _global_
    # Trial 3.
    defaults:
    - override /loss: focal
    loss:
      gamma: 1.5
    encoder: tiny
    """
    content: dict[str, Any] = {}
    if recipe.choices:
        content["defaults"] = [{f"override /{group}": option} for group, option in recipe.choices.items()]
    for key, value in recipe.values.items():
        *groups, name = key.split(".")
        inner = content
        for group in groups:
            inner = inner.setdefault(group, {})
        # As Hydra does: a mapping adds to the one that is there.
        both = isinstance(value, Mapping) and isinstance(inner.get(name), Mapping)
        inner[name] = {**inner[name], **value} if both else value
    remarks = "".join(f"# {' '.join(line.split())}\n" for line in header)
    body = yaml.safe_dump(content, sort_keys=False, allow_unicode=True) if content else "{}\n"
    return f"# @package _global_\n{remarks}{body}"


def _header(path: Path, sweep: Sweep, trial: Trial) -> tuple[str, ...]:
    scores = [
        f"{name} {value:.4f}"
        for name, value in ((sweep.objective, trial.value), (sweep.tie_break, trial.tie_break))
        if value is not None
    ]
    return (
        f"The best trial of a sweep, number {trial.number}, on validation: {', '.join(scores)}; "
        f"{duration(trial.seconds)}.",
        f"tagnet train experiment={shlex.quote(str(path))}",
    )
