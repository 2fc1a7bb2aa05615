"""`tagnet train -m`: one command, many trainings, through Hydra's launchers and sweepers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tagnet.cli import optuna_sweeper
from tagnet.cli.compose import (
    CONFIG_MODULE,
    VERSION_BASE,
    check_overrides,
    config_groups,
    hydra_to_itself,
    launch_groups,
    parse,
    train_config,
)
from tagnet.cli.console import message_console, result_console, speak_to
from tagnet.cli.space_grammar import check_space, read_space, values_of
from tagnet.config import TrainConfig
from tagnet.errors import ConfigError, MissingExtraError, nearest
from tagnet.strict_build import build, to_plain
from tagnet.training.objective import direction, tie_break_metric
from tagnet.training.trainer import check_monitor, choose_precision
from tagnet.workflows.space import Choice, Dimension, Proposal, default_point, describe, plain_value
from tagnet.workflows.study_files import ALWAYS, Sweep, write_sweep

_PLUGINS = {
    "joblib": ("hydra_plugins.hydra_joblib_launcher", "sweep"),
    "submitit_local": ("hydra_plugins.hydra_submitit_launcher", "sweep"),
    "slurm": ("hydra_plugins.hydra_submitit_launcher", "sweep"),
    "ray": ("hydra_plugins.hydra_ray_launcher", "ray"),
}
_ON_ONE_MACHINE = ("local", "joblib")


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


def run_many(overrides: Sequence[str]) -> None:
    """Run a sweep, and show what it found.

    Raises:
        TagnetError: settings, space, launcher or machine do not allow it; nothing has been trained then.
    """
    request = read_request(overrides)
    _require_plugins(request)
    base = train_config(*ALWAYS, *request.fixed, f"run.dir={_given_dir(request.fixed) or 'runs'}")
    check_monitor(base)
    choose_precision(base.trainer)
    folder = Path(_given_dir(request.fixed) or Path("runs") / base.run.name / _now())
    fixed = tuple(text for text in (*ALWAYS, *request.fixed) if parse(text).key_or_group != "run.dir")
    messages = message_console()
    speak_to(messages)
    # A Ray of one's own asks for no password; Ray would leave one in the home directory.
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    with _hydra() as hydra, _clear_errors():
        plan = _plan(hydra, request, folder)
        if request.sweeper == "optuna":
            _sweep_with_optuna(hydra, request, plan, base, fixed, folder)
        else:
            _sweep_grid(hydra, request, base, fixed, folder)

    from tagnet.cli.compare import show_sweep

    show_sweep(folder, result_console())


def _sweep_grid(hydra: Any, request: Request, base: TrainConfig, fixed: tuple[str, ...], folder: Path) -> None:
    from tagnet.workflows.sweep import check_sweep_folder

    space = [Dimension(o.key_or_group, values_of(o)) for o in request.swept]
    for dimension in space:
        if not isinstance(dimension.values, Choice):
            raise ConfigError(f"{dimension.key}: an interval needs sweeper=optuna; sweeper=grid takes KEY=A,B,C")
    check_space(fixed, space)
    sweep = _sweep("grid", base, fixed, space)
    check_sweep_folder(folder, sweep)
    write_sweep(folder, sweep)
    swept = tuple(dimension.key for dimension in space)
    task = partial(_grid_job, str(folder.resolve()), sweep, swept, request.launcher in _ON_ONE_MACHINE)
    hydra.multirun("sweep", task, _hydra_overrides(request, folder), with_log_configuration=False)


def _sweep_with_optuna(
    hydra: Any, request: Request, plan: DictConfig, base: TrainConfig, fixed: tuple[str, ...], folder: Path
) -> None:
    from tagnet.workflows.study import start_study
    from tagnet.workflows.sweep import check_sweep_folder
    from tagnet.workflows.sweep_settings import OptunaSettings

    plain = OmegaConf.to_container(plan.hydra.sweeper, resolve=True)
    assert isinstance(plain, dict)
    del plain["_target_"]
    written = plain.pop("space")
    settings = build(OptunaSettings, {str(k): v for k, v in plain.items()}, "sweeper")
    space = read_space(written, request.swept, fixed)
    if not space:
        raise ConfigError("space: expected something to search, found nothing; choose a space, or give KEY=A,B")
    check_space(fixed, space)
    sweep = _sweep("optuna", base, fixed, space)
    check_sweep_folder(folder, sweep)
    start_study(folder, settings, sweep, default_point(space, _flat(base)))
    write_sweep(folder, sweep)
    workers = settings.workers or _jobs_at_once(plan)
    task = partial(_worker, str(folder.resolve()), sweep, tuple(space), settings, request.launcher in _ON_ONE_MACHINE)
    words = [*_hydra_overrides(request, folder, with_swept=False), f"++hydra.sweeper.workers={workers}"]
    hydra.multirun("sweep", task, words, with_log_configuration=False)


def _grid_job(folder: str, sweep: Sweep, swept: tuple[str, ...], one_gpu: bool, _: DictConfig) -> None:
    """One job of a grid, in whatever process the launcher has chosen."""
    from tagnet.workflows.sweep import work_on

    speak_to(message_console())
    job = HydraConfig.get()
    own = [override for override in map(parse, job.overrides.task) if override.key_or_group in swept]
    texts = {override.key_or_group: override.get_value_element_as_str() for override in own}
    proposal = Proposal(
        overrides=tuple(f"{key}={text}" for key, text in texts.items()),
        params={key: plain_value(text) for key, text in texts.items()},
    )
    work_on(Path(folder), sweep, int(job.job.num), proposal, one_gpu)


def _worker(
    folder: str, sweep: Sweep, space: tuple[Dimension, ...], settings: Any, one_gpu: bool, _: DictConfig
) -> None:
    """One worker of an Optuna sweep, in whatever process the launcher has chosen."""
    from tagnet.workflows.optuna_worker import work

    speak_to(message_console())
    work(Path(folder), sweep, space, settings, one_gpu)


def read_request(overrides: Sequence[str]) -> Request:
    """Take a command line apart, and check every word that is not a training's setting.

    Raises:
        ConfigError: a launcher, sweeper or space is unknown, or belongs to another sweeper.

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
            swept.append(override)
        else:
            fixed.append(text)
    if chosen["sweeper"] != "optuna" and "space" in chosen:
        raise ConfigError(f"space={chosen['space']}: a search space needs sweeper=optuna, found sweeper=grid")
    check_overrides([text.lstrip("+") for text in fixed])
    return Request(chosen["launcher"], chosen["sweeper"], tuple(fixed), tuple(swept), tuple(launch))


def _hydra_overrides(request: Request, folder: Path, *, with_swept: bool = True) -> list[str]:
    swept = [str(each.input_line) for each in request.swept] if with_swept and request.sweeper == "grid" else []
    marked = [text if parse(text).key_or_group in config_groups() else f"++{text.lstrip('+')}" for text in swept]
    # Hydra's word for a folder may hold no blank or comma; the sweep's own files are written by us.
    return [*request.launch, *marked, f"hydra.sweep.dir='{folder.resolve()}'"]


def _sweep(proposer: Any, base: TrainConfig, fixed: tuple[str, ...], space: Sequence[Dimension]) -> Sweep:
    monitor = base.trainer.monitor
    return Sweep(
        proposer=proposer,
        objective=monitor,
        tie_break=f"val.{tie_break_metric(monitor)}",
        direction=direction(monitor),
        overrides=fixed,
        space=describe(space),
    )


def _flat(config: TrainConfig) -> dict[str, Any]:
    """Dotted key → value; of a group with options also the name of its option."""
    flat: dict[str, Any] = {}
    for group, values in to_plain(config).items():
        if isinstance(values, dict):
            flat |= {f"{group}.{key}": value for key, value in values.items()}
            if "name" in values:
                flat[group] = values["name"]
        else:
            flat[group] = values
    return flat


def _given_dir(fixed: Sequence[str]) -> str | None:
    found = [parse(text).value() for text in fixed if parse(text).key_or_group == "run.dir"]
    return None if not found or found[-1] is None else str(found[-1])


def _now() -> str:
    return datetime.now().strftime("%Y-%m-%d_%H-%M-%S")


def _require_plugins(request: Request) -> None:
    """Raise where packages of a launcher or sweeper are missing.

    Raises:
        MissingExtraError: it names the extra that brings them.
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


@contextmanager
def _hydra() -> Iterator[Any]:
    """Hydra with our configurations and our sweeper."""
    with hydra_to_itself(), initialize_config_module(CONFIG_MODULE, job_name="tagnet", **VERSION_BASE):
        if find_spec("optuna") is not None:
            optuna_sweeper.register()
        yield GlobalHydra.instance().hydra


@contextmanager
def _clear_errors() -> Iterator[None]:
    """Turn what Hydra and its launchers say of wrong settings into our errors."""
    try:
        yield
    except OmegaConfBaseException as error:
        reason = (error.msg or str(error)).strip().splitlines()[0]
        key = str(error.full_key or "the configuration").removeprefix("hydra.")
        raise ConfigError(f"{key}: {reason}") from error
    except HydraException as error:
        raise ConfigError(" ".join(str(error).split())) from error


def _plan(hydra: Any, request: Request, folder: Path) -> DictConfig:
    """Hydra's side of the sweep, composed, its launcher's keys checked.

    Raises:
        ConfigError: the launcher has no such key.
    """
    groups = [text for text in request.launch if not text.startswith("++")]
    bare = hydra.compose_config("sweep", groups, run_mode=RunMode.MULTIRUN)
    for text in request.launch:
        head, _, key = text.partition("=")[0].removeprefix("++hydra.").partition(".")
        known = [str(name) for name in bare.hydra[head]] if key else []
        if key and key.partition(".")[0] not in known:
            expected = [f"{head}.{name}" for name in known if name != "_target_"]
            raise ConfigError(
                f"{head}.{key}: there is no such key with {head}={getattr(request, head)}"
                + nearest(f"{head}.{key}", expected)
            )
    plan: DictConfig = hydra.compose_config("sweep", _hydra_overrides(request, folder), run_mode=RunMode.MULTIRUN)
    return plan


def _jobs_at_once(plan: DictConfig) -> int:
    """How many jobs the launcher runs at the same time, where it says so."""
    jobs = int(plan.hydra.launcher.get("n_jobs") or 1)
    return jobs if jobs > 0 else len(os.sched_getaffinity(0))
