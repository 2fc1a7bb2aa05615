"""From the settings to the tracker of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from tagnet.config import (
    LoggerConfig,
    MLflowConfig,
    NoLoggerConfig,
    TensorBoardConfig,
    TrackioConfig,
    TrainConfig,
    WandbConfig,
)
from tagnet.data.prepare import Prepared
from tagnet.errors import MissingExtraError
from tagnet.strict_build import to_plain
from tagnet.training.distributed import is_first_process
from tagnet.training.environment import environment
from tagnet.training.measure import Outcome
from tagnet.training.run_directory import fingerprints, flatten
from tagnet.training.tracking.mlflow import MLflowStore, check_experiment, check_server
from tagnet.training.tracking.tensorboard import TensorBoardStore
from tagnet.training.tracking.tracker import Fact, Results, Status, Store, Tracker
from tagnet.training.tracking.trackio import TrackioStore
from tagnet.training.tracking.trackio import check_project as check_trackio_project
from tagnet.training.tracking.wandb import WandbStore, check_login
from tagnet.training.tracking.wandb import check_project as check_wandb_project

_EXTRAS = {"tensorboard": "train"}
"""Package → the extra that brings it, where that has another name."""


def check_logger(config: LoggerConfig) -> None:
    """Find out before any data are read that a tracker cannot be used.

    Raises:
        MissingExtraError: its package is not installed.
        ConfigError: it does not take the name of the project or experiment, or its server does not answer, or wants a
            key that is not there.
    """
    if isinstance(config, NoLoggerConfig):
        return
    if find_spec(config.name) is None:
        raise MissingExtraError(
            f"logger={config.name} needs a package that is not installed: {config.name}.\n"
            f"Install it with: pip install 'tagnet[{_EXTRAS.get(config.name, config.name)}]'"
        )
    if not is_first_process():
        return
    if isinstance(config, MLflowConfig):
        check_experiment(config)
        check_server(config)
    if isinstance(config, WandbConfig):
        check_wandb_project(config)
        check_login(config)
    if isinstance(config, TrackioConfig):
        check_trackio_project(config)


def make_logger(config: LoggerConfig, folder: Path, name: str) -> Tracker | None:
    """The tracker that the settings name, which is not open yet; None for logger=none.

    Args:
        config: the settings.
        folder: the run's directory.
        name: what the run is called.
    """
    if isinstance(config, NoLoggerConfig):
        return None
    store: Store
    if isinstance(config, TensorBoardConfig):
        store = TensorBoardStore(folder)
    elif isinstance(config, MLflowConfig):
        store = MLflowStore(config, folder, name)
    elif isinstance(config, WandbConfig):
        store = WandbStore(config, folder, name)
    else:
        store = TrackioStore(config, folder, name)
    return Tracker(store)


@contextmanager
def tracked(config: TrainConfig, folder: Path, prepared: Prepared) -> Iterator[Tracker | None]:
    """An open tracker, which is told how the run ended; None in every process but the first.

    Raises:
        ConfigError: it cannot be opened.
    """
    tracker = make_logger(config.logger, folder, _name(config, folder)) if is_first_process() else None
    if tracker is None:
        yield None
        return
    tracker.open(starting_point(config, prepared))
    status: Status = "failed"
    try:
        yield tracker
        status = "finished"
    except (KeyboardInterrupt, SystemExit):
        status = "killed"
        raise
    finally:
        tracker.close(status)


def starting_point(config: TrainConfig, prepared: Prepared) -> dict[str, Fact]:
    """What a run starts from, flat: every setting under its key, data, split, commit and environment."""
    sides = prepared.split.sides()
    return (
        flatten(to_plain(config))
        | {f"fingerprint.{name.replace(' ', '_')}": digest for name, digest in fingerprints(prepared).items()}
        | {f"num_records.{side}": len(index) for side, index in sides.items()}
        | {"num_tags": len(prepared.corpus.label_space.tags)}
        | {f"environment.{name}": value for name, value in environment(config.run.seed).items()}
    )


def results_of(outcome: Outcome, best_step: int, folder: Path) -> Results:
    """What a run has found, as metrics.json has it."""
    plain = outcome.to_plain()
    metrics = {
        f"final.{side}.{name}": estimate["value"] for side in outcome.model for name, estimate in plain[side].items()
    }
    tags = [(row.tag, row.f1, row.support) for row in outcome.rows]
    return Results(metrics, best_step, tags, (folder / "report.html").resolve())


def _name(config: TrainConfig, folder: Path) -> str:
    """The run's name, and its folder's, by which runs of one name are told apart."""
    name, place = config.run.name, folder.resolve().name
    return name if name == place else f"{name} {place}"
