"""One trial of a sweep, in the process that trains it: it reports every epoch, and may be given up.

The worker that started the process says in an environment variable which trial it is (`trial_order`). What comes of the
trial is written to its file, first as `running` with its history, at last as `complete`, `pruned` or `failed`.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from tagnet.config import TrainConfig
from tagnet.errors import SweepError, TagnetError
from tagnet.training.distributed import is_first_process
from tagnet.training.epoch_report import EpochReport, GivenUpError
from tagnet.training.fit import fit
from tagnet.training.objective import read_objective
from tagnet.workflows.orphans import die_with_parent
from tagnet.workflows.study_files import Trial, read_trial, write_trial
from tagnet.workflows.sweep_settings import OptunaSettings
from tagnet.workflows.trial_order import TrialOrder

logger = logging.getLogger("tagnet")


def run_trial(config: TrainConfig, order: TrialOrder, console: Console | None = None) -> None:
    """Train, and write what came of it into the sweep's folder.

    Raises:
        TagnetError: the training is not possible; the trial's file says so too.
    """
    die_with_parent()
    folder = Path(order.folder)
    trial = read_trial(folder, order.number)
    if trial is None:
        raise SweepError(f"{folder}: expected trial {order.number}, found no file of it")
    record = TrialRecord(folder, trial, order.study)
    try:
        found = read_objective(config)  # killed between the run's last file and the trial's
        if found is None:
            found = fit(
                config, console=console, callbacks=[EpochReport(config.trainer.monitor, record.report)]
            ).objective
    except GivenUpError as stop:
        record.finish("pruned", reason=str(stop))
        logger.info("trial %d is given up: %s", order.number, stop)
    except TagnetError as error:
        record.finish("failed", reason=str(error))
        raise
    else:
        record.finish("complete", value=found.value, tie_break=found.tie_break)


class TrialRecord:
    """A trial's file, kept up to date."""

    def __init__(self, folder: Path, trial: Trial, study: OptunaSettings | None) -> None:
        self._folder = folder
        self._trial = trial
        self._study = study
        self._before = trial.seconds - time.monotonic()

    def report(self, epoch: int, value: float) -> str | None:
        """Write an epoch's value down; why Optuna would rather give the trial up, or None."""
        if not math.isfinite(value):
            return None  # the objective, measured at the end, will say so
        history = [step for step in self._trial.history if step[0] != epoch]
        self._write(history=(*history, (epoch, value)))
        if self._study is None:
            return None
        from tagnet.workflows.study import open_study, should_give_up, trial_of  # a grid needs no Optuna

        trial = trial_of(open_study(self._folder, self._study), self._trial.number)
        if epoch not in trial.storage.get_trial(trial._trial_id).intermediate_values:
            trial.report(value, epoch)
        if not should_give_up(trial, self._study):
            return None
        return f"after epoch {epoch + 1} its {value:.4f} was behind the others"

    def finish(
        self, state: str, *, value: float | None = None, tie_break: float | None = None, reason: str | None = None
    ) -> None:
        """Write how the trial ended."""
        if not is_first_process():
            return
        if state == "pruned":
            value = self._trial.history[-1][1]
        self._write(state=state, value=value, tie_break=tie_break, reason=reason)

    def _write(self, **changes: object) -> None:
        changes["seconds"] = round(self._before + time.monotonic(), 1)
        self._trial = replace(self._trial, **changes)  # type: ignore[arg-type]
        write_trial(self._folder, self._trial)
