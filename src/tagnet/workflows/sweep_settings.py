"""The settings of an Optuna sweep; their values are in conf/hydra/sweeper/tagnet_optuna.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tagnet.errors import ConfigError


@dataclass(frozen=True)
class OptunaSettings:
    """How trials are proposed, and which are given up."""

    trials: int
    """How many in all, over all workers and all starts of the command."""
    workers: int | None
    """Trials at the same time; null: as many as the launcher runs jobs at once."""
    sampler: Literal["tpe", "random"]
    """Tree-structured Parzen estimators (Bergstra et al., NeurIPS 2011; multivariate: Falkner et al., ICML 2018), or
    chance."""
    startup_trials: int
    """So many are drawn by chance before the sampler learns from them, and none is pruned before so many are done."""
    pruner: Literal["median", "successive_halving", "none"]
    """A trial is given up when after an epoch it is worse than the median of the others (Golovin et al., KDD 2017), or
    by asynchronous successive halving (Li et al., MLSys 2020), or never."""
    warmup_epochs: int
    """No trial is given up within so many epochs."""
    storage: str | None
    """A database URL for the study, which many workers on many machines strain less than a file; null: SWEEP/study.db.
    The folder is shared all the same."""
    study: str
    """The study's name in the database."""
    seed: int
    """Of the proposals."""

    def __post_init__(self) -> None:
        for key, least in (("trials", 1), ("startup_trials", 1), ("warmup_epochs", 0), ("seed", 0)):
            if getattr(self, key) < least:
                raise ConfigError(f"sweeper.{key}: expected at least {least}, found {getattr(self, key)}")
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"sweeper.workers: expected null or at least 1, found {self.workers}")
