"""A report after every epoch to whoever asked for it, who may answer that the training is not worth going on with."""

from __future__ import annotations

from collections.abc import Callable

import pytorch_lightning as pl


class GivenUpError(Exception):
    """The training was given up; the message says why."""


class EpochReport(pl.Callback):
    """Calls a function with the epoch, from 0, and the value of the monitored metric.

    Args:
        monitor: the metric.
        report: called by the first process alone; a reason to give the training up, or None to go on.

    Raises:
        GivenUpError: in all processes at once, when the report gave a reason and epochs were left.
    """

    def __init__(self, monitor: str, report: Callable[[int, float], str | None]) -> None:
        self._monitor = monitor
        self._report = report

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report, and let all processes know the answer."""
        why = None
        if trainer.is_global_zero:
            why = self._report(trainer.current_epoch, float(trainer.callback_metrics[self._monitor]))
        why = trainer.strategy.broadcast(why)
        # After the last epoch nothing is saved by giving up, and the whole result would be lost.
        if why is not None and trainer.current_epoch + 1 != trainer.max_epochs:
            raise GivenUpError(why)
