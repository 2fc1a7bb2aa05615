"""Hydra's door to our Optuna sweeps: a sweeper that launches workers instead of single trials.

Hydra's own Optuna plugin proposes a batch, waits for all of it, and has no channel to give up a bad trial as it runs.
Here every job of the launcher is a worker (`workflows.optuna_worker.work`): it asks the study, trains, tells, and asks
again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class OptunaSweeper(Sweeper):
    """Launches the workers. Its settings have been read before, by `cli/multirun.py`."""

    def __init__(self, space: Mapping[str, Any], workers: int | None, **settings: object) -> None:
        self._workers = workers or 1

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Make the launcher."""
        self.config = config
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Run the workers to their end."""
        jobs = [list(arguments) for _ in range(self._workers)]
        for job in self.launcher.launch(jobs, initial_job_idx=0):
            _ = job.return_value  # raises what the worker has raised


def register() -> None:
    """Make the sweeper known to Hydra, which looks for plugins only in packages of its own name."""
    Plugins.instance().register(OptunaSweeper)
