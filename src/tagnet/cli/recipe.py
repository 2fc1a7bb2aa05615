"""Overrides in Hydra's grammar → the choices and values that they come to, for an experiment file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from tagnet.cli.compose import CONFIG_MODULE, check_overrides, config_groups, parse
from tagnet.errors import ConfigError
from tagnet.workflows.best_experiment import Recipe

_NOT_OF_A_RECIPE = ("run", "hydra", "launcher", "sweeper", "space")


def read_recipe(overrides: Sequence[str]) -> Recipe:
    """What overrides come to, the later ones winning; those of one run, or of many runs, are left out.

    An experiment among them is opened up, so that the recipe needs no other file.

    Raises:
        ConfigError: an override, or an experiment's file, cannot be read.

    >>> read_recipe(["loss=focal", "loss.gamma=1", "run.seed=3", "loss.gamma=2.5"])
    Recipe(choices={'loss': 'focal'}, values={'loss.gamma': 2.5})
    """
    parsed = [override for override in map(parse, overrides) if _head(override.key_or_group) not in _NOT_OF_A_RECIPE]
    experiments = [override.value() for override in parsed if override.key_or_group == "experiment"]
    choices: dict[str, str] = {}
    values: dict[str, Any] = {}
    if experiments and experiments[-1] is not None:
        choices, values = _open_experiment(str(experiments[-1]))
    groups = config_groups()
    rest = [str(override.input_line) for override in parsed if override.key_or_group != "experiment"]
    for override in map(parse, check_overrides(rest)):
        key = override.key_or_group
        if key in groups:
            choices[key] = str(override.value())
        else:
            # At the end, also where it was before: a mapping may have come in between.
            values.pop(key, None)
            values[key] = override.value()
    return Recipe(choices, values)


def _open_experiment(name: str) -> tuple[dict[str, str], dict[str, Any]]:
    """The choices and values of an experiment, by its name or path."""
    is_path = name.endswith((".yaml", ".yml"))
    path = Path(name) if is_path else files(CONFIG_MODULE) / "experiment" / f"{name}.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        choices = dict(_choice(entry) for entry in content.pop("defaults", []) if entry != "_self_")
    except (OSError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise ConfigError(f"experiment={name}: expected an experiment's YAML file, found something else") from error
    values = {key: value for key, value in _leaves(content).items() if _head(key) not in _NOT_OF_A_RECIPE}
    return {group: option for group, option in choices.items() if group not in _NOT_OF_A_RECIPE}, values


def _choice(entry: Mapping[str, str]) -> tuple[str, str]:
    [(word, option)] = entry.items()
    group = re.fullmatch(r"override /?(\w+)", word)
    if group is None:
        raise ValueError(f"expected `override /GROUP: OPTION`, found {word}")
    return group[1], option


def _leaves(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            found |= _leaves(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _head(key: str) -> str:
    return re.split("[./]", key)[0]
