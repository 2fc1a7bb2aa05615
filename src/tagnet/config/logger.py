"""Where a run is tracked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class NoLoggerConfig:
    """Nothing beside the files of the run's own directory."""

    name: Literal["none"]


@dataclass(frozen=True)
class TensorBoardConfig:
    """Event files in RUN/tensorboard."""

    name: Literal["tensorboard"]


@dataclass(frozen=True)
class MLflowConfig:
    """A run in an MLflow experiment."""

    name: Literal["mlflow"]
    uri: str | None
    """The tracking server; null: an SQLite file in the run's directory."""
    experiment: str
    """The experiment that the run belongs to."""


@dataclass(frozen=True)
class WandbConfig:
    """A Weights & Biases run."""

    name: Literal["wandb"]
    project: str
    """The project that the run belongs to."""
    offline: bool
    """Whether all stays in the run's directory, for `wandb sync` to send later."""


@dataclass(frozen=True)
class TrackioConfig:
    """A trackio run: a local dashboard, `trackio show`."""

    name: Literal["trackio"]
    project: str
    """The project that the run belongs to."""


LoggerConfig = NoLoggerConfig | TensorBoardConfig | MLflowConfig | WandbConfig | TrackioConfig
