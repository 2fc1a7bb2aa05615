"""How many processes train together: as the settings say, else as torchrun or srun have started them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tagnet.config import TrainConfig
from tagnet.errors import ConfigError, HardwareError
from tagnet.training.processes import Launch, check_launch, find_launch, num_nodes, num_processes, warn_of_parts

MakeConfig = Callable[..., TrainConfig]

TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}
JOB = {"SLURM_JOB_ID": "1", "SLURM_NTASKS": "8", "SLURM_NTASKS_PER_NODE": "4", "SLURM_NNODES": "2"}
SRUN = JOB | {"SLURM_STEP_NUM_TASKS": "8"}


@pytest.fixture
def started_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """Pretend that a launcher has started this process."""

    def pretend(environment: dict[str, str]) -> None:
        for name in {**TORCHRUN, **SRUN}:
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

    return pretend


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Pretend that there are so many GPUs."""

    def pretend(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return pretend


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, None),
        (TORCHRUN, Launch("torchrun", 4, 2)),
        (SRUN, Launch("srun", 4, 2)),
        (SRUN | TORCHRUN, Launch("torchrun", 4, 2)),  # torchrun on each machine of a Slurm job
        (JOB, None),  # in a job, and not by srun: the tasks do not exist
        (SRUN | {"SLURM_STEP_NUM_TASKS": "1"}, None),
        ({"WORLD_SIZE": "2", "LOCAL_RANK": "1"}, None),  # a process that Lightning has started
    ],
)
def test_what_started_this_process(environment: dict[str, str], found: Launch | None) -> None:
    assert find_launch(environment) == found


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (TORCHRUN | {"WORLD_SIZE": "7"}, "torchrun: expected as many processes on each machine, found 7 in all and 4"),
        (SRUN | {"SLURM_STEP_NUM_TASKS": "6"}, "srun: expected as many processes on each machine, found 6 in all"),
        ({"SLURM_STEP_NUM_TASKS": "8"}, "expected --ntasks-per-node in place of --ntasks"),
    ],
)
def test_machines_must_be_alike(environment: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_launch(environment)


@pytest.mark.parametrize(
    ("settings", "environment", "count", "found"),
    [
        (("trainer=auto",), {}, 0, (1, 1)),
        (("trainer=auto",), {}, 4, (1, 1)),
        (("trainer=ddp",), {}, 4, (4, 1)),
        (("trainer=ddp", "trainer.devices=3"), {}, 4, (3, 1)),
        (("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"), {}, 0, (2, 1)),
        (("trainer=ddp", "trainer.accelerator=cpu"), {}, 4, (1, 1)),
        (("trainer=ddp",), TORCHRUN, 8, (4, 2)),
        (("trainer=fsdp",), SRUN, 8, (4, 2)),
        (("trainer=ddp", "trainer.accelerator=cpu"), SRUN, 0, (4, 2)),
        (("trainer=ddp", "trainer.devices=4", "trainer.num_nodes=2"), TORCHRUN, 8, (4, 2)),
        (("trainer=ddp",), JOB, 8, (8, 1)),
        (("trainer=cpu",), {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}, 0, (1, 1)),
    ],
)
def test_processes_and_machines(
    settings: tuple[str, ...],
    environment: dict[str, str],
    count: int,
    found: tuple[int, int],
    started_by: Callable[[dict[str, str]], None],
    gpus: Callable[[int], None],
    make_config: MakeConfig,
) -> None:
    config = make_config("trainer=auto", *settings).trainer
    started_by(environment)
    gpus(count)
    assert (num_processes(config), num_nodes(config)) == found
    check_launch(config)


@pytest.mark.parametrize(
    ("settings", "environment", "message"),
    [
        (("trainer=ddp", "trainer.devices=2"), TORCHRUN, "trainer.devices=2, trainer.num_nodes=None: torchrun has sta"),
        (("trainer=ddp", "trainer.num_nodes=1"), SRUN, "trainer.num_nodes=1: srun has started 4 processes a machine"),
        (("trainer=cpu",), SRUN, "trainer.strategy=single: expected one process, found 8 that srun has started"),
        (("trainer=ddp", "trainer.num_nodes=2"), {}, "trainer.num_nodes=2: expected to be started by torchrun or srun"),
        (("trainer=ddp", "trainer.num_nodes=2"), JOB, "expected to be started by torchrun or srun on each machine"),
    ],
)
def test_settings_that_contradict_the_launcher(
    settings: tuple[str, ...],
    environment: dict[str, str],
    message: str,
    started_by: Callable[[dict[str, str]], None],
    make_config: MakeConfig,
) -> None:
    config = make_config(*settings, "trainer.accelerator=cpu").trainer
    started_by(environment)
    with pytest.raises(ConfigError, match=message):
        check_launch(config)


def test_each_process_needs_a_gpu(
    started_by: Callable[[dict[str, str]], None], gpus: Callable[[int], None], make_config: MakeConfig
) -> None:
    config = make_config("trainer=ddp").trainer
    started_by(SRUN)
    gpus(1)
    with pytest.raises(HardwareError, match="a GPU for each of 4 processes, found 1"):
        check_launch(config)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("loss=two_way",), None),
        (("trainer=ddp", "trainer.devices=2"), None),
        (("trainer.accumulate=2",), None),
        (("loss=two_way", "trainer=ddp", "trainer.devices=2", "trainer.accumulate=2"), "in each process"),
        (("loss=two_way", "trainer.accumulate=2"), "in each part of a step"),
    ],
)
def test_a_loss_between_records_is_another_one_in_parts(
    settings: tuple[str, ...], said: str | None, make_config: MakeConfig, caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_parts(make_config(*settings, "trainer.accelerator=cpu"))
    assert len(caplog.records) == (said is not None)
    assert said is None or said in caplog.text
