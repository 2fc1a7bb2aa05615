"""A worker of an Optuna sweep: it asks the study for a trial, trains it, tells the study, and asks again.

Any number of workers may do so at once, from one command or from several. What a worker that died was at is taken up
by another; what it had finished is only told to the study.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from optuna import Study

from tagnet.workflows import study as studies
from tagnet.workflows.locks import locked, try_lock
from tagnet.workflows.space import Dimension
from tagnet.workflows.study_files import TRIALS_FOLDER, Sweep, read_trial, write_trial
from tagnet.workflows.sweep import STOPPING_SECONDS, Claim, lock_file, new_trial, train_trial
from tagnet.workflows.sweep_settings import OptunaSettings

logger = logging.getLogger("tagnet")


def work(folder: Path, sweep: Sweep, space: Sequence[Dimension], settings: OptunaSettings, one_gpu: bool) -> None:
    """Train trials that Optuna proposes until all are handed out. Any number of processes may do so at once.

    Args:
        folder: of the sweep; its study has been started.
        sweep: what all trials share.
        space: what is searched.
        settings: how many trials, and how they are proposed.
        one_gpu: whether each trial takes a GPU of its own.
    """
    study = studies.open_study(folder, settings)
    while (claim := _next_or_left_behind(study, folder, space, settings)) is not None:
        with claim.lock:
            ended = train_trial(folder, sweep, claim, settings, one_gpu)
            studies.tell(study, ended)


def _next_or_left_behind(
    study: Study, folder: Path, space: Sequence[Dimension], settings: OptunaSettings
) -> Claim | None:
    """The next trial; before the worker leaves, it gives trainings that have lost theirs the time to stop."""
    deadline = time.monotonic() + STOPPING_SECONDS
    while (claim := _next(study, folder, space, settings)) is None:
        if not studies.running_trials(study) or time.monotonic() >= deadline:
            return None
        time.sleep(0.5)
    return claim


def _next(study: Study, folder: Path, space: Sequence[Dimension], settings: OptunaSettings) -> Claim | None:
    """The next trial to train: one whose worker has died, or a new one; None where all are handed out."""
    with locked(folder / TRIALS_FOLDER / ".proposing.lock"):
        for number in studies.running_trials(study):
            lock = try_lock(lock_file(folder, number))
            if lock is None:
                continue
            trial = read_trial(folder, number)
            if trial is not None and trial.state != "running":
                studies.tell(study, trial)  # its worker died between the two
                lock.close()
                continue
            if trial is None:
                trial = new_trial(number, studies.propose_again(study, number, space, settings))
            else:
                logger.info("trial %d goes on: its worker had ended", number)
            write_trial(folder, trial)
            return Claim(trial, lock)
        if studies.num_proposed(study) >= settings.trials:
            return None
        number, proposal = studies.propose(study, space, settings)
        lock = try_lock(lock_file(folder, number))
        assert lock is not None, "nobody else proposes while this process does"
        trial = new_trial(number, proposal)
        write_trial(folder, trial)
        return Claim(trial, lock)
