"""What happens beside the training step: calibration, metrics, the check for collapse, the log of every step.

Shapes: V validation texts, K tags.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from tagnet.calibration.fit import fit_decision_rule
from tagnet.calibration.rule import DecisionRule
from tagnet.config import CalibratorConfig, ThresholdsConfig
from tagnet.data.datamodule import Targets
from tagnet.errors import CollapseError, DivergenceError
from tagnet.evaluation.collapse import collapse_reason
from tagnet.evaluation.metrics import overall_metrics
from tagnet.training.distributed import gather
from tagnet.training.module import TaggerModule
from tagnet.training.tracking.tracker import Tracker

logger = logging.getLogger("tagnet")


@dataclass(frozen=True)
class ValidationView:
    """The validation side at the end of an epoch, as every callback sees it."""

    probs_VK: NDArray[np.float64]
    y_VK: NDArray[np.uint8]
    accepted_VK: NDArray[np.bool_]


class CalibratedThresholds(pl.Callback):
    """Fits the decision rule on the validation logits of every epoch; the later callbacks read it here."""

    def __init__(
        self,
        tags: tuple[str, ...],
        y_NK: NDArray[np.uint8],
        calibrator: CalibratorConfig,
        thresholds: ThresholdsConfig,
    ) -> None:
        self._tags = tags
        self._y_NK = y_NK
        self._calibrator = calibrator
        self._thresholds = thresholds
        self.rule: DecisionRule | None = None
        self.view: ValidationView | None = None

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Fit on this epoch's logits."""
        assert isinstance(pl_module, TaggerModule)
        index_V, logits_VK = pl_module.validation_logits()
        if not np.isfinite(logits_VK).all():
            raise DivergenceError(
                f"after epoch {trainer.current_epoch + 1} the model's logits are no longer finite: it has diverged.\n"
                "Lower optim.lr, set optim.clip_norm, or train in trainer.precision=32-true."
            )
        y_VK = self._y_NK[index_V]
        self.rule = fit_decision_rule(self._tags, logits_VK, y_VK, self._calibrator, self._thresholds)
        probs_VK = self.rule.probabilities(logits_VK)
        self.view = ValidationView(probs_VK, y_VK, self.rule.accept(probs_VK))


class PerTagMetrics(pl.Callback):
    """Measures the validation side once an epoch, on all its logits, and logs `val.*` for the monitor."""

    def __init__(self, calibrated: CalibratedThresholds, targets: Targets, at_k: Sequence[int]) -> None:
        self._calibrated = calibrated
        self._targets = targets
        self._at_k = at_k

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log every overall metric, and the loss, of this epoch."""
        assert isinstance(pl_module, TaggerModule)
        view = self._calibrated.view
        assert view is not None
        metrics = overall_metrics(view.probs_VK, view.y_VK, view.accepted_VK, self._at_k)
        index_V, logits_VK = pl_module.validation_logits()
        targets_VK, known_VK = self._targets.of(index_V)
        loss = pl_module.loss(
            torch.from_numpy(logits_VK).to(pl_module.device),
            torch.from_numpy(targets_VK).to(pl_module.device),
            None if known_VK is None else torch.from_numpy(known_VK).to(pl_module.device),
        )
        values = {f"val.{name}": float(value) for name, value in metrics.items()} | {"val.loss": float(loss)}
        # float64: ties between epochs must not come from rounding.
        tensors = {k: torch.tensor(v, dtype=torch.float64) for k, v in values.items()}
        pl_module.log_dict(tensors, logger=False)  # MetricsLog tells the tracker


class CollapseCheck(pl.Callback):
    """Says loudly, from the middle of training on, that the model predicts nothing, everything or the base rate."""

    def __init__(self, calibrated: CalibratedThresholds, train_rates_K: NDArray[np.float64], on_collapse: str) -> None:
        self._calibrated = calibrated
        self._train_rates_K = train_rates_K
        self._on_collapse = on_collapse
        self.reason: str | None = None

    def state_dict(self) -> dict[str, str | None]:
        """What was said last, so that a run that goes on does not say it again."""
        return {"reason": self.reason}

    def load_state_dict(self, state_dict: dict[str, str | None]) -> None:
        """Remember it."""
        self.reason = state_dict["reason"]

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Check this epoch's probabilities."""
        view = self._calibrated.view
        assert view is not None
        if 2 * (trainer.current_epoch + 1) < (trainer.max_epochs or 1):
            return
        reason = collapse_reason(view.probs_VK, view.accepted_VK, self._train_rates_K)
        is_new, self.reason = reason != self.reason, reason
        if reason is None:
            return
        if self._on_collapse == "error":
            raise CollapseError(
                f"after epoch {trainer.current_epoch + 1} the model has collapsed: {reason}.\n"
                "Try another loss or a lower optim.lr; evaluation.on_collapse=warn would go on."
            )
        if is_new:
            logger.warning("COLLAPSE after epoch %d: %s", trainer.current_epoch + 1, reason)


class MetricsLog(pl.Callback):
    """Writes metrics.jsonl: a line for every optimizer step, and one for every validation; a tracker gets the same.

    A run that goes on cuts off what was written after the point from which it goes on.
    """

    def __init__(self, path: Path, tracker: Tracker | None = None) -> None:
        self._path = path
        self._tracker = tracker
        self._batches: list[Tensor] = []
        self._pending: list[tuple[int, int, float, Tensor]] = []
        self._steps: list[tuple[int, int, float, float]] = []
        self._seen = 0
        self._size = 0

    def _settle(self) -> None:
        """Read the pending losses from the device; each is the mean over the processes."""
        losses = [float(loss) for *_, loss in self._pending]
        means = np.mean(gather(losses), axis=0).tolist()
        self._steps += [(*step[:3], loss) for step, loss in zip(self._pending, means, strict=True)]
        self._pending = []

    def state_dict(self) -> dict[str, Any]:
        """The steps that are not written yet, and how much is."""
        self._settle()
        return {"steps": [list(step) for step in self._steps], "seen": self._seen, "size": self._size}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take both up again."""
        self._steps = [(step, epoch, rate, loss) for step, epoch, rate, loss in state_dict["steps"]]
        self._seen, self._size = state_dict["seen"], state_dict["size"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Cut the file back to what this run knows of."""
        if not trainer.is_global_zero:
            return
        with self._path.open("ab") as stream:
            stream.truncate(self._size)
        if self._tracker is not None:
            self._tracker.resume(json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines())

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Remember the step; its loss is not read from the device before the epoch ends."""
        # Lightning has divided the loss of a batch by the number of batches that make a step.
        self._batches.append(outputs["loss"].detach() * trainer.accumulate_grad_batches)
        if trainer.global_step == self._seen:
            return
        self._seen = trainer.global_step
        rate = max(group["lr"] for group in trainer.optimizers[0].param_groups)
        loss = torch.stack(self._batches).mean()
        self._batches = []
        self._pending.append((trainer.global_step, trainer.current_epoch, rate, loss))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the steps of the epoch and its validation metrics."""
        self._settle()
        if not trainer.is_global_zero:
            return
        lines: list[Mapping[str, Any]] = [
            {"step": step, "epoch": epoch, "lr": rate, "train.loss": loss} for step, epoch, rate, loss in self._steps
        ]
        self._steps = []
        values = {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith("val.")}
        lines.append({"step": trainer.global_step, "epoch": trainer.current_epoch, **values})
        finite = [{k: v if math.isfinite(v) else None for k, v in line.items()} for line in lines]
        with self._path.open("a", encoding="utf-8") as stream:
            for line in finite:
                stream.write(json.dumps(line) + "\n")
            stream.flush()
            self._size = stream.tell()
        if self._tracker is not None:
            self._tracker.log_lines(finite)
