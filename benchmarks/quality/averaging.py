"""A training whose epochs are measured, and kept, with averaged weights.

  python -m benchmarks.quality.averaging ema experiment=madewithml_b run.dir=runs/ema

`ema`: an exponential moving average over steps. `swa`: the plain mean over the steps of the last half of training
(Izmailov et al., arXiv 1803.05407, with the recipe's own learning rates). The words after it are those of tagnet train.
"""

from __future__ import annotations

import sys
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from benchmarks.quality.runs import AVERAGES
from tagnet.cli.compose import train_config
from tagnet.training.fit import fit

DECAY = 0.98
"""Of the moving average, a step: it looks back about 50 steps, an epoch and a half."""


class AveragedWeights(pl.Callback):
    """Puts averaged weights in place for validation and what is kept of it; training goes on from its own."""

    def __init__(self, rule: str) -> None:
        self._rule = rule
        self._mean: dict[str, Tensor] = {}
        self._own: dict[str, Tensor] = {}
        self._steps = 0

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Give training its own weights back."""
        self._put(module, self._own)
        self._own = {}

    @torch.no_grad()
    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        """Take the step's weights in."""
        if self._rule == "swa" and trainer.global_step <= trainer.estimated_stepping_batches / 2:
            return
        self._steps += 1
        share = 1 / self._steps if self._rule == "swa" else max(1 - DECAY, 1 / self._steps)
        for name, parameter in module.named_parameters():
            mean = self._mean.setdefault(name, torch.zeros_like(parameter))
            mean += share * (parameter - mean)

    @torch.no_grad()
    def on_validation_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Put the mean in place; the epoch's checkpoint is written with it."""
        if self._mean and not trainer.sanity_checking:
            self._own = {name: parameter.clone() for name, parameter in module.named_parameters()}
            self._put(module, self._mean)

    @staticmethod
    @torch.no_grad()
    def _put(module: pl.LightningModule, weights: dict[str, Tensor]) -> None:
        for name, parameter in module.named_parameters():
            if name in weights:
                parameter.copy_(weights[name])


def main() -> None:
    """Run the command line."""
    rule, *words = sys.argv[1:]
    if rule not in AVERAGES:
        sys.exit(f"expected one of {', '.join(AVERAGES)}, found {rule!r}")
    fit(train_config(*words), callbacks=[AveragedWeights(rule)])


if __name__ == "__main__":
    main()
