"""The command line of `tagnet train -m`, taken apart and checked before anything runs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from hydra.core.override_parser.types import Override

from tagnet.cli.compose import check_overrides, launch_groups, parse
from tagnet.config import TrainConfig
from tagnet.errors import ConfigError, HardwareError, MissingExtraError, nearest

_PLUGINS = {
    "joblib": ("hydra_plugins.hydra_joblib_launcher", "sweep"),
    "submitit_local": ("hydra_plugins.hydra_submitit_launcher", "sweep"),
    "slurm": ("hydra_plugins.hydra_submitit_launcher", "sweep"),
    "ray": ("hydra_plugins.hydra_ray_launcher", "ray"),
}
_ALIKE = {
    "run.dir": "it is the folder of the whole sweep",
    "run.test": "test records are not looked at while settings are chosen",
    "trainer.monitor": "trials are compared by one metric",
}


@dataclass(frozen=True)
class Request:
    """What the command line asks for, taken apart."""

    launcher: str
    sweeper: str
    fixed: tuple[str, ...]
    """Settings with one value, as given."""
    swept: tuple[Override, ...]
    """Settings with several."""
    launch: tuple[str, ...]
    """`launcher.*`, `sweeper.*` and `space`, as Hydra takes them."""


def read_request(overrides: Sequence[str]) -> Request:
    """Take a command line apart, and check every word that is not a training's setting.

    Raises:
        ConfigError: a launcher, sweeper or space is unknown, or belongs to another sweeper; a key is given twice, or
            is one that trials cannot differ in.

    >>> request = read_request(["launcher=joblib", "launcher.n_jobs=2", "loss=bce,focal", "optim.lr=1e-4"])
    >>> request.launcher, request.fixed, [o.key_or_group for o in request.swept], request.launch
    ('joblib', ('optim.lr=1e-4',), ['loss'], ('launcher=joblib', '++hydra.launcher.n_jobs=2'))
    """
    groups = launch_groups()
    chosen = {"launcher": "local", "sweeper": "grid"}
    fixed, swept, launch = [], [], []
    for text in overrides:
        override = parse(text)
        key = override.key_or_group
        head, _, rest = key.partition(".")
        if override.is_delete():
            raise ConfigError(f"{text}: settings cannot be deleted; give the key another value, such as null")
        if head in groups and override.is_sweep_override():
            raise ConfigError(f"{text}: expected one value, found several; only a training's settings are swept")
        if key in groups:
            option = str(override.value())
            if option not in groups[key]:
                raise ConfigError(
                    f"{key}={option}: expected one of {', '.join(groups[key])}{nearest(option, groups[key])}"
                )
            chosen[key] = option
            launch.append(f"{key}={option}")
        elif head == "space":
            raise ConfigError(f"{text}: give what is searched by its own key: {rest}=A,B or {rest}=interval(A,B)")
        elif head in groups:
            launch.append(f"++hydra.{head}.{rest}={override.get_value_element_as_str()}")
        elif override.is_sweep_override():
            if key in _ALIKE:
                raise ConfigError(f"{text}: expected one value, found several; {_ALIKE[key]}")
            if key == "experiment" and any(
                name.endswith((".yaml", ".yml")) for name in override.sweep_string_iterator()
            ):
                raise ConfigError(f"{text}: expected one file, found several; give each a sweep of its own")
            swept.append(override)
        else:
            fixed.append(text)
    keys = [override.key_or_group for override in swept]
    twice = [key for key in keys if keys.count(key) > 1 or key in {parse(text).key_or_group for text in fixed}]
    if twice:
        raise ConfigError(f"{twice[0]}: expected its values once, found it given again; which of the two is meant?")
    if chosen["sweeper"] != "optuna" and "space" in chosen:
        raise ConfigError(f"space={chosen['space']}: a search space needs sweeper=optuna, found sweeper=grid")
    check_overrides([text.lstrip("+") for text in fixed])
    return Request(chosen["launcher"], chosen["sweeper"], tuple(fixed), tuple(swept), tuple(launch))


def _names_files(override: Override) -> bool:
    return any(str(name).endswith((".yaml", ".yml")) for name in override.sweep_string_iterator())


def given_dir(fixed: Sequence[str]) -> str | None:
    """The run.dir among settings with one value; None: there is none."""
    found = [parse(text).value() for text in fixed if parse(text).key_or_group == "run.dir"]
    return None if not found or found[-1] is None else str(found[-1])


def check_gpus(request: Request, base: TrainConfig) -> None:
    """Refuse trials at the same time of which each would take all GPUs.

    Raises:
        ConfigError: it names the two settings that contradict each other.
    """
    if request.launcher == "joblib" and base.trainer.strategy != "single" and base.trainer.accelerator != "cpu":
        raise ConfigError(
            f"launcher=joblib: expected trainer.strategy=single, as each trial takes one GPU, found "
            f"{base.trainer.strategy}; with trials of several GPUs each, launcher=local or launcher=slurm"
        )


def require_plugins(request: Request) -> None:
    """Raise where what a launcher or sweeper needs is missing.

    Raises:
        MissingExtraError: packages; it names the extra that brings them.
        HardwareError: Slurm.
    """
    needed = [_PLUGINS[request.launcher]] if request.launcher in _PLUGINS else []
    if request.sweeper == "optuna":
        needed.append(("optuna", "sweep"))
    for package, extra in needed:
        parent = package.partition(".")[0]
        if find_spec(parent) is None or find_spec(package) is None:
            raise MissingExtraError(
                f"tagnet train -m launcher={request.launcher} sweeper={request.sweeper} needs a package that is not "
                f"installed: {package}.\nInstall it with: pip install 'tagnet[{extra}]'"
            )
    if request.launcher == "slurm" and shutil.which("srun") is None:
        raise HardwareError(
            "launcher=slurm: expected a machine from which Slurm takes jobs, found no srun on the PATH; "
            "launcher=submitit_local rehearses it here"
        )
