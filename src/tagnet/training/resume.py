"""Where a run that was killed goes on: resume points that are whole, checked, and two deep.

A resume point holds weights, optimizer, schedule, callbacks, and the place in the epoch. Its name says the optimizer
step and the SHA-256 of its content; it is written under another name, then renamed. Together with batches and random
numbers that follow from seed, epoch and batch alone, a run that goes on from one ends as if it had never stopped.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint, EarlyStopping

from tagnet.data.datamodule import TextDataModule
from tagnet.errors import ConfigError
from tagnet.training.checkpoint_files import remove_parts
from tagnet.training.distributed import gather
from tagnet.training.stopping import Stopped, StopRequests

logger = logging.getLogger("tagnet")

_NAME = re.compile(r"resume-(\d+)-([0-9a-f]{16})\.ckpt")
_KEPT = 2


@dataclass(frozen=True)
class ResumePoint:
    """A file to go on from."""

    path: Path
    step: int
    """Optimizer steps that it holds."""


def latest_resume_point(folder: Path) -> ResumePoint | None:
    """The newest resume point whose content is what its name says; damaged ones are named in the log."""
    for point in _points(folder):
        match = _NAME.fullmatch(point.path.name)
        assert match is not None
        if _digest(point.path) == match.group(2):
            return point
        logger.warning("%s is damaged; falling back to the resume point before it", point.path)
    return None


def remove_resume_points(folder: Path) -> None:
    """Free the disk once a run is finished."""
    remove_parts(folder)
    for path in folder.glob("resume-*"):
        path.unlink(missing_ok=True)


class ResumePoints(Checkpoint):
    """Writes a resume point at the end of every epoch, every `every_steps` optimizer steps within, and on a stop."""

    def __init__(self, folder: Path, data: TextDataModule, every_steps: int | None, stop: StopRequests) -> None:
        super().__init__()
        self._folder = folder
        self._data = data
        self._every_steps = every_steps
        self._stop = stop
        self._last_step = 0
        self._seen_step = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop where the run had stopped early before it was killed: Lightning does not keep that decision."""
        self._last_step = self._seen_step = trainer.global_step
        if trainer.is_global_zero:
            remove_parts(self._folder)
        # Lightning has put its own handler in place, which lets processes wait for each other for ever: it speaks to
        # the others from within the signal, whatever they are saying to each other just then.
        self._stop.listen()
        if self._stop.asked(trainer):
            self._stop.stop(trainer)
        steps = gather(trainer.global_step)
        if len(set(steps)) > 1:
            raise ConfigError(
                "run.dir: expected a folder that all processes share; the processes have found resume points of steps "
                f"{', '.join(map(str, steps))} there."
            )
        for callback in trainer.early_stopping_callbacks:
            if isinstance(callback, EarlyStopping) and callback.wait_count >= callback.patience:
                trainer.should_stop = True

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the place, and write a point where one is due."""
        self._data.place = (trainer.current_epoch, batch_idx + 1)
        # Gradients that wait for the other batches of their step are in no checkpoint.
        is_step, self._seen_step = trainer.global_step > self._seen_step, trainer.global_step
        # The end of the epoch writes its own, after validation: between the two there is nothing to go on from.
        if not is_step or trainer.is_last_batch:
            return
        due = self._every_steps is not None and trainer.global_step - self._last_step >= self._every_steps
        asked = self._stop.asked(trainer)
        if due or asked:
            self._write(trainer)
        if asked:
            self._stop.stop(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the point that the next epoch starts from."""
        self._data.place = (trainer.current_epoch + 1, 0)
        self._write(trainer)
        if self._stop.asked(trainer):
            self._stop.stop(trainer)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Say how to go on after Ctrl-C, or after a cluster has asked the job to end."""
        if not (isinstance(exception, KeyboardInterrupt | Stopped) and trainer.is_global_zero):
            return
        if self._last_step == trainer.global_step:
            logger.warning("stopped at step %d; the same command goes on from there", self._last_step)
        else:
            logger.warning(
                "stopped at step %d; the same command goes on from step %d", trainer.global_step, self._last_step
            )

    def _write(self, trainer: pl.Trainer) -> None:
        self._last_step = trainer.global_step
        scratch = self._folder / ".resume.part"
        trainer.save_checkpoint(scratch)
        if not trainer.is_global_zero:
            return
        with scratch.open("rb") as stream:
            # A rename can only then never name a file whose content is still on its way to the disk.
            os.fsync(stream.fileno())
        scratch.replace(self._folder / f"resume-{trainer.global_step:08d}-{_digest(scratch)}.ckpt")
        for stale in _points(self._folder)[_KEPT:]:
            stale.path.unlink(missing_ok=True)


def _points(folder: Path) -> list[ResumePoint]:
    """All resume points, the newest first."""
    found = [(path, _NAME.fullmatch(path.name)) for path in folder.glob("resume-*.ckpt")]
    points = [ResumePoint(path, int(match.group(1))) for path, match in found if match is not None]
    return sorted(points, key=lambda point: (point.step, point.path.stat().st_mtime_ns), reverse=True)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]
