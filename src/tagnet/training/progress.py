"""How far training is: a bar with an estimate on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from tagnet.evaluation.table_parts import duration

logger = logging.getLogger("tagnet")


class TrainingProgress(pl.Callback):
    """One bar over all optimizer steps, with the last loss and the monitored metric."""

    def __init__(self, console: Console | None, num_steps: int, monitor: str) -> None:
        self._console = console
        self._num_steps = num_steps
        self._monitor = monitor
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._started = 0.0
        self._first_step = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock, and the bar where there is a terminal."""
        self._started, self._first_step = time.monotonic(), trainer.global_step
        if self._console is None or not self._console.is_terminal:
            return
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task("training", total=self._num_steps, completed=trainer.global_step)
        self._bar.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(self._task, completed=trainer.global_step)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say how the epoch went."""
        if trainer.sanity_checking:
            return
        value = float(trainer.callback_metrics[self._monitor])
        spent = time.monotonic() - self._started
        done = max(1, trainer.global_step - self._first_step)
        left = spent / done * (self._num_steps - trainer.global_step)
        logger.info(
            "epoch %d/%d  step %d/%d  val.loss %.4f  %s %.4f  %s spent, about %s left",
            trainer.current_epoch + 1,
            trainer.max_epochs,
            trainer.global_step,
            self._num_steps,
            float(trainer.callback_metrics["val.loss"]),
            self._monitor,
            value,
            duration(spent),
            duration(left),
        )

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Take the bar away, also after an error."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
