"""Optuna's study of a sweep: opened, checked, and asked for trials."""

from __future__ import annotations

import logging
import secrets
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.exceptions import ExperimentalWarning, OptunaError
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import TrialState

from tagnet.atomic import write_text
from tagnet.errors import SweepError
from tagnet.strict_build import to_plain
from tagnet.workflows.locks import locked
from tagnet.workflows.space import Dimension, Proposal, suggest
from tagnet.workflows.study_files import STUDY_ID_FILE, Sweep, Trial, check_same_sweep, read_trials
from tagnet.workflows.sweep_settings import OptunaSettings

_OF_SWEEP = "tagnet.sweep"
_OF_FOLDER = "tagnet.folder"
"""What the study's folder holds too, so that neither is taken for another's; written last of a start."""
_BUSY_SECONDS = 60
_TIE = 1e-6
"""Weight of the tie-break in the one number that Optuna sees: far below what one record changes in the objective."""

optuna.logging.set_verbosity(optuna.logging.WARNING)
logging.getLogger("alembic").setLevel(logging.WARNING)


def open_study(folder: Path, settings: OptunaSettings) -> optuna.Study:
    """The study of a sweep that `start_study` has made.

    Raises:
        SweepError: it cannot be read.
    """
    with _storage_errors(folder, settings):
        return optuna.load_study(
            study_name=settings.study, storage=_storage(folder, settings), pruner=_pruner(settings)
        )


def start_study(folder: Path, settings: OptunaSettings, sweep: Sweep, default: Mapping[str, Any] | None) -> None:
    """Make the study, or check that the one that is there is of the same sweep.

    Args:
        folder: of the sweep.
        settings: where the study is.
        sweep: what is searched.
        default: the recipe without a trial's own settings as a point of the space: the first trial; None: it lies
            outside.

    Raises:
        SweepError: the study is of another space, other settings, another metric or another folder, or cannot be
            read or written.
    """
    described = to_plain(sweep)
    with locked(folder / ".starting.lock"), _storage_errors(folder, settings):
        study = optuna.create_study(
            study_name=settings.study,
            storage=_storage(folder, settings),
            direction=sweep.direction,
            load_if_exists=True,
        )
        earlier = study.user_attrs.get(_OF_SWEEP)
        same_kind = [direction.name.lower() for direction in study.directions] == [sweep.direction]
        if earlier is not None or num_proposed(study) or not same_kind:
            check_same_sweep(earlier, described, _where(folder, settings))
        mine, token = folder / STUDY_ID_FILE, study.user_attrs.get(_OF_FOLDER)
        if token is not None:
            if not mine.is_file() or mine.read_text(encoding="utf-8").strip() != token:
                raise SweepError(
                    f"{_where(folder, settings)}: expected the study of run.dir={folder}, found that of another "
                    "folder.\nChoose another sweeper.study, or the run.dir that the study was started with."
                )
            return
        if read_trials(folder):
            raise SweepError(
                f"run.dir={folder}: expected the study of the trials there, found a new one; they would be "
                "overwritten.\nChoose another run.dir, or bring the study back (sweeper.study, sweeper.storage)."
            )
        # A start that was killed between any two of these is made again from the first.
        study.set_user_attr(_OF_SWEEP, described)
        if default is not None:
            study.enqueue_trial(dict(default), skip_if_exists=True)
        token = secrets.token_hex(8)
        write_text(mine, f"{token}\n")
        study.set_user_attr(_OF_FOLDER, token)


def num_proposed(study: optuna.Study) -> int:
    """Trials that were handed out, however they ended."""
    return sum(trial.state != TrialState.WAITING for trial in study.get_trials(deepcopy=False))


def running_trials(study: optuna.Study) -> list[int]:
    """Numbers of the trials that have not ended."""
    return [trial.number for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))]


def trial_of(study: optuna.Study, number: int) -> optuna.Trial:
    """A running trial of the study, also one that another process has asked for."""
    # Optuna has no public way from a number to a trial that can be reported to.
    return optuna.Trial(study, study.get_trials(deepcopy=False)[number]._trial_id)


def should_give_up(trial: optuna.Trial, settings: OptunaSettings) -> bool:
    """Whether a trial is behind the others; never before `startup_trials` of them are complete."""
    # It is asked in any case: the rungs of successive halving remember that.
    behind = trial.should_prune()
    complete = trial.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return behind and len(complete) >= settings.startup_trials


def propose(study: optuna.Study, space: Sequence[Dimension], settings: OptunaSettings) -> tuple[int, Proposal]:
    """Ask for a new trial. One process at a time must call it.

    The sampler's random numbers follow from the seed and the number of the trial: a sweep that goes on draws what it
    would have drawn.
    """
    study.sampler = _sampler(settings, num_proposed(study))
    trial = study.ask()
    return trial.number, suggest(trial, space)


def propose_again(study: optuna.Study, number: int, space: Sequence[Dimension], settings: OptunaSettings) -> Proposal:
    """The settings of a trial whose worker died between asking for it and writing it down."""
    study.sampler = _sampler(settings, number)
    return suggest(trial_of(study, number), space)


def tell(study: optuna.Study, trial: Trial) -> None:
    """Say how a trial ended; saying it twice changes nothing."""
    state: Literal["complete", "pruned", "failed", "running"] = trial.state
    if state == "complete":
        assert trial.value is not None
        assert trial.tie_break is not None
        sign = 1 if study.direction == optuna.study.StudyDirection.MAXIMIZE else -1
        study.tell(trial.number, trial.value + sign * _TIE * trial.tie_break, skip_if_finished=True)
    elif state == "pruned":
        study.tell(trial.number, state=TrialState.PRUNED, skip_if_finished=True)
    else:
        study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def _sampler(settings: OptunaSettings, number: int) -> BaseSampler:
    seed = (settings.seed * 1_000_003 + number) % 2**32
    if settings.sampler == "random":
        return RandomSampler(seed=seed)
    with warnings.catch_warnings():
        # Optuna calls `group` experimental; conditional spaces need it, and the extra pins Optuna's major version.
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(n_startup_trials=settings.startup_trials, seed=seed, multivariate=True, group=True)


def _pruner(settings: OptunaSettings) -> BasePruner:
    if settings.pruner == "median":
        return MedianPruner(n_startup_trials=settings.startup_trials, n_warmup_steps=settings.warmup_epochs)
    if settings.pruner == "successive_halving":
        return SuccessiveHalvingPruner(min_resource=settings.warmup_epochs + 1)
    return NopPruner()


def _where(folder: Path, settings: OptunaSettings) -> str:
    return f"run.dir={folder}" if settings.storage is None else f"sweeper.storage, study {settings.study!r}"


def _storage(folder: Path, settings: OptunaSettings) -> BaseStorage:
    if settings.storage is not None:
        return RDBStorage(settings.storage)
    # Workers wait for each other's writes.
    return RDBStorage(f"sqlite:///{folder / 'study.db'}", engine_kwargs={"connect_args": {"timeout": _BUSY_SECONDS}})


@contextmanager
def _storage_errors(folder: Path, settings: OptunaSettings) -> Iterator[None]:
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, ArgumentError, OptunaError, ImportError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        where = folder / "study.db" if settings.storage is None else "sweeper.storage"
        raise SweepError(f"{where}: the study cannot be opened there: {reason}") from error
