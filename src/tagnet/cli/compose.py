"""From Hydra's grammar to a checked TrainConfig: the only place, with `cli/train.py`, that knows Hydra."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from types import UnionType
from typing import Any, get_origin, get_type_hints

import yaml
from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tagnet.config import TrainConfig
from tagnet.errors import ConfigError, nearest
from tagnet.strict_build import build, leaf_keys
from tagnet.workflows.space import quoted

RUN_DIR_VARIABLE = "TAGNET_RUN_DIR"
"""Set by a process for those that it starts for the same run."""
CONFIG_MODULE = "tagnet.conf"
_LAUNCH_GROUPS = ("launcher", "sweeper", "space")
# Hydra 1.4 has given up the parameter, and 1.3 wants it.
VERSION_BASE: dict[str, Any] = {"version_base": "1.3"} if version("hydra-core").startswith("1.3") else {}


def train_config(*overrides: str) -> TrainConfig:
    """The settings of a run: the defaults of `conf/`, changed by overrides in Hydra's grammar.

    Args:
        overrides: such as `loss=focal`, `optim.lr=1e-4`, `data.records=projects.json`.

    Raises:
        ConfigError: a key is unknown or misspelt, also with `+` or `++`; a value is of the wrong type; two settings
            contradict each other.

    >>> train_config("loss=focal", "run.dir=runs/mine").loss
    FocalConfig(name='focal', gamma=2.0, alpha=None)
    >>> train_config("optim.lrr=1e-4")
    Traceback (most recent call last):
    tagnet.errors.ConfigError: optim.lrr: there is no such key; did you mean optim.lr?
    """
    config = build(TrainConfig, compose_plain(overrides))
    if config.run.dir is None and int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_NTASKS", "1"))) > 1:
        if RUN_DIR_VARIABLE not in os.environ:
            raise ConfigError(
                "run.dir: expected a folder that all processes of the job share, found null\n"
                "Give one: run.dir=runs/NAME. The same command goes on from there when the job is started again."
            )
        return replace(config, run=replace(config.run, dir=os.environ[RUN_DIR_VARIABLE]))
    if config.run.dir is None:
        stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        config = replace(config, run=replace(config.run, dir=str(Path("runs") / config.run.name / stamp)))
    return config


def compose_plain(overrides: Sequence[str]) -> dict[str, Any]:
    """The composed settings as plain nested values, their keys checked, their types not yet.

    Raises:
        ConfigError: an override cannot be read, or names an unknown key or option.
    """
    checked = check_overrides(overrides)
    try:
        with hydra_to_itself(), initialize_config_module(config_module=CONFIG_MODULE, **VERSION_BASE):
            config = compose("train", overrides=checked)
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        reason = (error.msg or str(error)).strip().splitlines()[0]
        raise ConfigError(f"{error.full_key or 'the configuration'}: {reason}") from error
    except HydraException as error:
        raise ConfigError(" ".join(str(error).split())) from error
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


@contextmanager
def hydra_to_itself() -> Iterator[None]:
    """Hydra's one global state, emptied, and afterwards what the caller, perhaps a Hydra application, left there."""
    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = before


def check_overrides(overrides: Sequence[str]) -> list[str]:
    """Refuse unknown keys and options, and say what is left so that Hydra takes it.

    Hydra lets `+key` and `++key` through unchecked, and refuses plain keys with errors that name no neighbour; here
    all of them are held against the settings' own fields first.

    >>> check_overrides(["loss=focal", "data.columns={title: name}"])
    ['loss=focal', '++data.columns={title: name}']
    """
    groups = config_groups()
    keys = leaf_keys(TrainConfig)
    parsed = _without_null_experiment([parse(text) for text in overrides])
    result = [_check(override, groups, keys) for override in parsed]
    named = {override.key_or_group for override in parsed}
    if "data.records" in named and "data.taxonomy" not in named:
        # Somebody's own records have nothing to do with the taxonomy of the records they replace.
        result.append("++data.taxonomy=null")
    return result


def config_groups() -> dict[str, tuple[str, ...]]:
    """The groups of `conf/` that a run is composed of, and their options.

    >>> config_groups()["thresholds"]
    ('conformal_recall', 'fixed', 'global', 'per_tag', 'plug_in', 'shrunk')
    """
    return {name: options for name, options in _all_groups().items() if name not in _LAUNCH_GROUPS}


def launch_groups() -> dict[str, tuple[str, ...]]:
    """The groups of `conf/` that say how many runs are started, and where; for `tagnet train -m`.

    >>> launch_groups()["sweeper"]
    ('grid', 'optuna')
    """
    return {name: options for name, options in _all_groups().items() if name in _LAUNCH_GROUPS}


def _all_groups() -> dict[str, tuple[str, ...]]:
    groups = {}
    for folder in files(CONFIG_MODULE).iterdir():
        # conf/hydra holds what Hydra itself looks for.
        if folder.is_dir() and folder.name != "hydra" and not folder.name.startswith(("_", ".")):
            names = (Path(file.name) for file in folder.iterdir())
            groups[folder.name] = tuple(sorted(n.stem for n in names if n.suffix == ".yaml" and n.stem != "base"))
    return dict(sorted(groups.items()))


def _choices() -> set[str]:
    """The groups whose options are different classes of settings: `loss`, and not `model`."""
    return {name for name, hint in get_type_hints(TrainConfig).items() if get_origin(hint) is UnionType}


def _experiment_of_file(path: Path) -> str:
    """Make an experiment that lies in a file of the user's own known to Hydra; the name it has there.

    Raises:
        ConfigError: it cannot be read, or is no YAML mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ConfigError(f"experiment={path}: expected an experiment's YAML file; {reason}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"experiment={path}: expected keys and values in YAML, found {type(content).__name__}")
    name = f"file_{hashlib.sha256(yaml.safe_dump(content).encode()).hexdigest()[:12]}"
    store = ConfigStore.instance()
    if f"{name}.yaml" not in store.repo.get("experiment", {}):
        store.store(group="experiment", name=name, node=content, package="_global_", provider="tagnet")
    return name


def to_yaml(plain: dict[str, Any]) -> str:
    """Composed settings as YAML, in the order in which they are composed."""
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def parse(text: str) -> Override:
    """Read an override in Hydra's grammar; a value outside it that is no list or mapping is taken as it stands.

    >>> parse("data.records=größe=1.json").value()
    'größe=1.json'
    """
    parser = OverridesParser.create()
    key, _, value = text.partition("=")
    try:
        if not key.strip("+~ "):
            raise ConfigError(f"{text!r}: expected KEY=VALUE, found no key")
        return parser.parse_override(text)
    except HydraException as error:
        if value and value[0] not in "[{('\"":
            with suppress(HydraException):
                return parser.parse_override(f"{key}={quoted(value)}")
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"{text!r}: expected KEY=VALUE in Hydra's grammar; {reason}\n"
            'Inside lists and mappings put texts into quotes of their own: \'labels.exclude=["c#","c++"]\''
        ) from error


def _without_null_experiment(overrides: Sequence[Override]) -> list[Override]:
    """`experiment=null` takes back an experiment that was named before it; Hydra itself knows no such word."""
    named = [each for each in overrides if each.key_or_group == "experiment" and not each.is_delete()]
    if named and named[-1].value() is None:
        return [each for each in overrides if each not in named]
    return list(overrides)


def _check(override: Override, groups: dict[str, tuple[str, ...]], keys: dict[str, bool]) -> str:
    key = override.key_or_group
    text = str(override.input_line)
    if override.is_delete():
        raise ConfigError(f"{text}: settings cannot be deleted; give the key another value, such as null")
    if key.partition(".")[0] in _LAUNCH_GROUPS:
        raise ConfigError(f"{text}: a single run has no {key.partition('.')[0]}; for many runs, tagnet train -m")
    if override.is_sweep_override():
        raise ConfigError(
            f"{text}: expected one value for a single run, found several; for a run of each, tagnet train -m.\n"
            f"Quote a value that holds commas: '{key}=\"…\"'; write a list in brackets: '{key}=[…]'"
        )
    group, _, field = key.rpartition(".")
    if field == "name" and group in _choices():
        raise ConfigError(f"{text}: expected a choice of the whole group: {group}={override.value()}")
    if key == "experiment" and str(override.value()).endswith((".yaml", ".yml")):
        return f"experiment={_experiment_of_file(Path(str(override.value())))}"
    if key in groups:
        option = override.value()
        if option not in groups[key]:
            raise ConfigError(
                f"{key}={option}: expected one of {', '.join(groups[key])}{nearest(str(option), groups[key])}"
            )
        return text.lstrip("+")
    if key not in keys and not keys.get(group, False):
        raise ConfigError(f"{key}: there is no such key{nearest(key, [*keys, *groups])}")
    return "++" + text.lstrip("+")
