"""How many processes train together, and what has started them."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from tagnet.config import TrainConfig, TrainerConfig, TwoWayConfig
from tagnet.errors import ConfigError, HardwareError
from tagnet.prediction.device import choose_device

logger = logging.getLogger("tagnet")

_ADVICE = "Leave trainer.devices and trainer.num_nodes at null: they then follow"


@dataclass(frozen=True)
class Launch:
    """Processes that a launcher has started for one run; this is one of them."""

    launcher: Literal["torchrun", "srun"]
    here: int
    """Processes on this machine."""
    num_nodes: int
    """Machines."""


def find_launch(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """What torchrun, or several tasks of one srun, say of themselves; None where neither has started this process.

    A single task of srun counts as none: what it is to start beside itself is its own affair.

    Raises:
        ConfigError: the machines do not have as many processes each, or srun was not told how many they are to have.

    >>> find_launch({"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"})
    Launch(launcher='torchrun', here=2, num_nodes=2)
    """
    if "TORCHELASTIC_RUN_ID" in environment:
        total, here = int(environment["WORLD_SIZE"]), int(environment["LOCAL_WORLD_SIZE"])
        _require_even("torchrun", total, here, total // here)
        return Launch("torchrun", here, total // here)
    # srun alone sets it: in a batch script that calls no srun, SLURM_NTASKS speaks of tasks that do not exist.
    total = int(environment.get("SLURM_STEP_NUM_TASKS", "1"))
    if total == 1:
        return None
    if "SLURM_NTASKS_PER_NODE" not in environment:
        raise ConfigError(
            f"srun has started {total} tasks, and does not say how many a machine has: expected --ntasks-per-node in "
            "place of --ntasks."
        )
    here, num_nodes = int(environment["SLURM_NTASKS_PER_NODE"]), int(environment.get("SLURM_NNODES", "1"))
    _require_even("srun", total, here, num_nodes)
    return Launch("srun", here, num_nodes)


def _require_even(launcher: str, total: int, here: int, num_nodes: int) -> None:
    if here * num_nodes != total:
        raise ConfigError(
            f"{launcher}: expected as many processes on each machine, found {total} in all and {here} on one of "
            f"{num_nodes}."
        )


def check_launch(config: TrainerConfig) -> None:
    """Hold the settings against the processes that were started, before they wait for each other.

    Raises:
        ConfigError: the settings ask for other processes.
        HardwareError: there are fewer GPUs than processes.
    """
    launch = find_launch()
    if launch is None:
        if num_nodes(config) > 1:
            raise ConfigError(
                f"trainer.num_nodes={config.num_nodes}: expected to be started by torchrun or srun on each machine, "
                "found neither."
            )
    elif config.strategy == "single" and launch.here * launch.num_nodes > 1:
        raise ConfigError(
            f"trainer.strategy=single: expected one process, found {launch.here * launch.num_nodes} that "
            f"{launch.launcher} has started.\nTrain with trainer=ddp, or start one."
        )
    elif (num_processes(config), num_nodes(config)) != (launch.here, launch.num_nodes):
        raise ConfigError(
            f"trainer.devices={config.devices}, trainer.num_nodes={config.num_nodes}: {launch.launcher} has started "
            f"{launch.here} processes a machine, on {launch.num_nodes} machines.\n{_ADVICE} {launch.launcher}."
        )
    on_gpu = choose_device(config.accelerator).type == "cuda"
    if on_gpu and num_processes(config) > torch.cuda.device_count():
        raise HardwareError(
            f"expected a GPU for each of {num_processes(config)} processes, found {torch.cuda.device_count()} of them "
            "here.\nTake fewer by trainer.devices; under Slurm, --gpus-per-node shows all GPUs to every task, "
            "--gpus-per-task one."
        )


def num_processes(config: TrainerConfig) -> int:
    """Processes on this machine: `devices`, else as many as were started, else one for each GPU."""
    if config.devices is not None or config.strategy == "single":
        return config.devices or 1
    launch = find_launch()
    if launch is not None:
        return launch.here
    on_gpu = choose_device(config.accelerator).type == "cuda"
    return torch.cuda.device_count() if on_gpu else 1


def num_nodes(config: TrainerConfig) -> int:
    """Machines: `num_nodes`, else as many as processes were started on."""
    if config.num_nodes is not None or config.strategy == "single":
        return config.num_nodes or 1
    launch = find_launch()
    return 1 if launch is None else launch.num_nodes


def warn_of_parts(config: TrainConfig) -> None:
    """Warn of a loss that is another one where a batch is computed in parts."""
    processes = num_processes(config.trainer) * num_nodes(config.trainer)
    if isinstance(config.loss, TwoWayConfig) and (processes > 1 or config.trainer.accumulate > 1):
        where = "in each process" if processes > 1 else "in each part of a step (trainer.accumulate)"
        logger.warning(
            "loss=two_way tells records of a batch apart: %s it sees that one's records alone, and the run is not that "
            "of one whole batch",
            where,
        )
