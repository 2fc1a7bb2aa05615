"""`tagnet train -m`: one command, many trainings, through Hydra's launchers and sweepers."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tagnet.cli import optuna_sweeper
from tagnet.cli.compose import (
    CONFIG_MODULE,
    VERSION_BASE,
    config_groups,
    hydra_to_itself,
    parse,
    train_config,
)
from tagnet.cli.console import message_console, speak_to
from tagnet.cli.space_grammar import check_grid, check_space, read_space, values_of
from tagnet.cli.sweep_request import Request, check_gpus, given_dir, read_request, require_plugins
from tagnet.config import TrainConfig
from tagnet.errors import ConfigError, SweepError, TagnetError, nearest
from tagnet.strict_build import build, to_plain
from tagnet.training.objective import direction, tie_break_metric
from tagnet.training.recipe import check_launchable
from tagnet.workflows.orphans import die_with_parent
from tagnet.workflows.space import Choice, Dimension, Proposal, default_point, describe, plain_value, quoted
from tagnet.workflows.study_files import ALWAYS, SWEEP_FILE, Sweep, read_sweep, read_trials, write_sweep

_ON_ONE_MACHINE = ("local", "joblib")
logger = logging.getLogger("tagnet")


def run_many(overrides: Sequence[str], always: Sequence[str] = ALWAYS) -> Path:
    """Run a sweep; the folder that it is in.

    Args:
        overrides: the command line.
        always: settings of all trials that go before those.

    Raises:
        TagnetError: settings, space, launcher or machine do not allow it; nothing has been trained then.
    """
    request = read_request(overrides)
    require_plugins(request)
    fixed = tuple(text for text in (*always, *request.fixed) if parse(text).key_or_group != "run.dir")
    base = train_config(*fixed, "run.dir=runs")
    check_gpus(request, base)
    folder = Path(given_dir(request.fixed) or Path("runs") / base.run.name / _now())
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
    return folder


def say_what_is_left(folder: Path) -> None:
    """Warn of trials that have not ended.

    Raises:
        SweepError: every trial has failed.
    """
    trials = read_trials(folder)
    running = [str(trial.number) for trial in trials if trial.state == "running"]
    if running:
        logger.warning(
            "still trained by another process, or left behind: trial %s; the same command with run.dir=%s goes on",
            ", ".join(running),
            folder,
        )
    failed = [trial for trial in trials if trial.state == "failed"]
    if failed and len(failed) == len(trials):
        raise SweepError(f"{folder}: all {len(failed)} trials failed, the first of them with: {failed[0].reason}")


def _sweep_grid(hydra: Any, request: Request, base: TrainConfig, fixed: tuple[str, ...], folder: Path) -> None:
    from tagnet.workflows.sweep import check_sweep_folder

    space = [Dimension(o.key_or_group, values_of(o)) for o in request.swept]
    for dimension in space:
        if not isinstance(dimension.values, Choice):
            raise ConfigError(f"{dimension.key}: an interval needs sweeper=optuna; sweeper=grid takes KEY=A,B,C")
    check_grid(fixed, space)
    sweep = _sweep("grid", base, fixed, space)
    check_sweep_folder(folder, sweep)
    check_launchable(base)
    if (folder / SWEEP_FILE).exists():
        # Trials are numbered by the order of the keys: whoever gives them in another order means the same trials.
        order = list(read_sweep(folder).space)
        request = replace(request, swept=tuple(sorted(request.swept, key=lambda o: order.index(o.key_or_group))))
    else:
        write_sweep(folder, sweep)
    logger.info("the sweep is in %s; with run.dir=%s the same command goes on with it", folder, folder)
    task = partial(_grid_job, str(folder.resolve()), sweep, tuple(d.key for d in space), request.launcher)
    _launch(hydra, request, task, _hydra_overrides(request, folder))


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
    check_launchable(base)
    jobs = _jobs_at_once(plan)
    workers = settings.workers or jobs
    if workers > jobs and request.launcher in _ON_ONE_MACHINE:
        mend = "launcher.n_jobs" if request.launcher == "joblib" else "launcher=joblib launcher.n_jobs"
        raise ConfigError(
            f"sweeper.workers: expected at most as many as the launcher runs at once ({jobs}), found {workers}; "
            f"give {mend}={workers}"
        )
    start_study(folder, settings, sweep, default_point(space, _flat(base)))
    write_sweep(folder, sweep)
    logger.info("the sweep is in %s; with run.dir=%s the same command goes on with it", folder, folder)
    task = partial(_worker, str(folder.resolve()), sweep, tuple(space), settings, request.launcher)
    words = [*_hydra_overrides(request, folder, with_swept=False), f"++hydra.sweeper.workers={workers}"]
    _launch(hydra, request, task, words)


def _launch(hydra: Any, request: Request, task: Any, words: Sequence[str]) -> None:
    """Let Hydra's launcher run the jobs.

    Raises:
        SweepError: the launcher itself has failed, as when one of its jobs was cancelled.
    """
    try:
        hydra.multirun("sweep", task, list(words), with_log_configuration=False)
    except (TagnetError, HydraException, OmegaConfBaseException):
        raise
    except Exception as error:
        if request.launcher == "local":
            raise  # there is nothing between this process and the work that could fail
        reason = " ".join(str(error).split()) or "it gave no reason"
        raise SweepError(
            f"launcher={request.launcher} ended with {type(error).__name__}: {reason[:500]}\n"
            "What its jobs have finished is kept: the same command with the same run.dir goes on."
        ) from error


def _start_job(launcher: str) -> bool:
    """What every job does first, in whatever process the launcher has chosen; whether each trial takes its own GPU."""
    speak_to(message_console())
    if launcher == "joblib":
        die_with_parent()
    return launcher == "joblib"


def _grid_job(folder: str, sweep: Sweep, swept: tuple[str, ...], launcher: str, _: DictConfig) -> None:
    """One job of a grid."""
    from tagnet.workflows.sweep import work_on

    one_gpu = _start_job(launcher)
    job = HydraConfig.get()
    own = [override for override in map(parse, job.overrides.task) if override.key_or_group in swept]
    texts = {override.key_or_group: override.get_value_element_as_str() for override in own}
    proposal = Proposal(
        overrides=tuple(f"{key}={text}" for key, text in texts.items()),
        params={key: plain_value(text) for key, text in texts.items()},
    )
    work_on(Path(folder), sweep, int(job.job.num), proposal, one_gpu)


def _worker(
    folder: str, sweep: Sweep, space: tuple[Dimension, ...], settings: Any, launcher: str, _: DictConfig
) -> None:
    """One worker of an Optuna sweep."""
    from tagnet.workflows.optuna_worker import work

    work(Path(folder), sweep, space, settings, _start_job(launcher))


def _hydra_overrides(request: Request, folder: Path, *, with_swept: bool = True) -> list[str]:
    swept = [str(each.input_line) for each in request.swept] if with_swept and request.sweeper == "grid" else []
    marked = [text if parse(text).key_or_group in config_groups() else f"++{text.lstrip('+')}" for text in swept]
    return [*request.launch, *marked, f"hydra.sweep.dir={quoted(str(folder.resolve()))}"]


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


def _now() -> str:
    return datetime.now().strftime("%Y-%m-%d_%H-%M-%S")


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
        if not key:
            continue
        level, above = bare.hydra[head], head
        for word in key.split("."):
            if not isinstance(level, DictConfig) or not level:
                break  # an open mapping, such as environment variables
            if word not in level:
                expected = [f"{above}.{name}" for name in map(str, level) if name != "_target_"]
                raise ConfigError(
                    f"{head}.{key}: there is no such key with {head}={getattr(request, head)}"
                    + nearest(f"{above}.{word}", expected)
                )
            level, above = level[word], f"{above}.{word}"
    plan: DictConfig = hydra.compose_config("sweep", _hydra_overrides(request, folder), run_mode=RunMode.MULTIRUN)
    return plan


def _jobs_at_once(plan: DictConfig) -> int:
    """How many jobs the launcher runs at the same time, where it says so."""
    jobs = int(plan.hydra.launcher.get("n_jobs") or 1)
    return jobs if jobs > 0 else len(os.sched_getaffinity(0))
