"""Lightning's trainer: what the settings stand for on this machine, and the best weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from pytorch_lightning.accelerators import CPUAccelerator, CUDAAccelerator
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.strategies import DDPStrategy, ModelParallelStrategy, SingleDeviceStrategy

from tagnet.config import ModelConfig, NoAdapterConfig, TrainConfig
from tagnet.data.datamodule import TextDataModule
from tagnet.errors import ConfigError, HardwareError, RunDirectoryError
from tagnet.model.encoder import Encoder
from tagnet.model.network import TaggerNetwork
from tagnet.training import trainer as trainer_module
from tagnet.training.checkpoint_files import WholeFiles
from tagnet.training.resume import ResumePoints
from tagnet.training.stopping import StopRequests
from tagnet.training.tracking.tensorboard import TensorBoardStore
from tagnet.training.tracking.tracker import Tracker
from tagnet.training.trainer import (
    autocast_dtype,
    best_network,
    check_monitor,
    choose_precision,
    make_trainer,
)

MakeConfig = Callable[..., TrainConfig]
MakeNetwork = Callable[..., TaggerNetwork]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Pretend that there are GPUs, or none."""

    def pretend(count: int, *, bf16: bool = True) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(major=8 if bf16 else 7))
        # As on a T4: it can, by emulation.
        monkeypatch.setattr(torch.cuda, "_check_bf16_tensor_supported", lambda device: True)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Old GPU")

    return pretend


# ----------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize("monitor", ["val.map", "val.loss", "val.f1_macro", "val.ece", "val.recall_at_3"])
def test_every_validation_metric_can_be_monitored(monitor: str, make_config: MakeConfig) -> None:
    check_monitor(make_config(f"trainer.monitor={monitor}"))


@pytest.mark.parametrize(("monitor", "hint"), [("val.mapp", "val.map"), ("map", ""), ("val.recall_at_4", "")])
def test_a_monitor_that_is_no_metric_is_refused(monitor: str, hint: str, make_config: MakeConfig) -> None:
    with pytest.raises(ConfigError, match=rf"trainer\.monitor: .*'{monitor}'.*{hint}"):
        check_monitor(make_config(f"trainer.monitor={monitor}"))


@pytest.mark.parametrize(
    ("gpus", "bf16", "asked", "found"),
    [
        (0, False, "auto", "32-true"),
        (1, True, "auto", "bf16-mixed"),
        (1, False, "auto", "32-true"),
        (0, False, "bf16-mixed", "bf16-mixed"),
        (1, True, "bf16-mixed", "bf16-mixed"),
        (1, False, "16-mixed", "16-mixed"),
        (1, True, "32-true", "32-true"),
    ],
)
def test_precision(
    gpus: int,
    bf16: bool,
    asked: str,
    found: str,
    gpu: Callable[..., None],
    make_config: MakeConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpu(gpus, bf16=bf16)
    monkeypatch.setattr(trainer_module, "processor_has_bf16", lambda: False)
    trainer = make_config("trainer=auto", f"trainer.precision={asked}").trainer
    assert choose_precision(trainer) == found


def test_auto_takes_bf16_on_a_processor_that_has_it(
    gpu: Callable[..., None], make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu(0)
    monkeypatch.setattr(trainer_module, "processor_has_bf16", lambda: True)
    assert choose_precision(make_config("trainer=auto").trainer) == "bf16-mixed"
    assert choose_precision(make_config("trainer=cpu").trainer) == "32-true"


@pytest.mark.parametrize(("gpus", "asked"), [(0, "16-mixed"), (1, "bf16-mixed")])
def test_a_precision_that_the_machine_lacks(
    gpus: int, asked: str, gpu: Callable[..., None], make_config: MakeConfig
) -> None:
    gpu(gpus, bf16=False)
    with pytest.raises(HardwareError, match=rf"trainer\.precision={asked}: "):
        choose_precision(make_config("trainer=auto", f"trainer.precision={asked}").trainer)


def test_autocast_runs_in_the_type_of_the_precision() -> None:
    found = {precision: autocast_dtype(precision) for precision in ("bf16-mixed", "16-mixed", "32-true")}
    assert found == {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16, "32-true": None}


# ------------------------------------------------------------------------------------------------------------ trainer


@pytest.fixture
def build(make_config: MakeConfig, tmp_path: Path) -> Callable[..., Any]:
    """Trainers of settings."""

    def make(*settings: str) -> Any:
        resume = ResumePoints(tmp_path, cast(TextDataModule, None), None, StopRequests())
        return make_trainer(make_config(*settings), 3, tmp_path, [], resume)

    return make


def test_resume_points_are_written_after_everything_else(build: Callable[..., Any]) -> None:
    trainer = build("trainer.accumulate=2")
    # Lightning calls callbacks in this order: a point must hold what the others have noted.
    assert isinstance(trainer.callbacks[-1], ResumePoints)
    assert trainer.max_epochs == 3
    assert trainer.accumulate_grad_batches == 2
    assert trainer.logger is None


def test_callbacks_find_the_tracker_where_lightning_keeps_loggers(make_config: MakeConfig, tmp_path: Path) -> None:
    tracker = Tracker(TensorBoardStore(tmp_path))
    resume = ResumePoints(tmp_path, cast(TextDataModule, None), None, StopRequests())
    assert make_trainer(make_config(), 3, tmp_path, [], resume, tracker).logger is tracker


@pytest.mark.parametrize(
    ("monitor", "mode"), [("val.map", "max"), ("val.f1_micro", "max"), ("val.loss", "min"), ("val.ece", "min")]
)
def test_the_monitor_knows_which_way_is_better(monitor: str, mode: str, build: Callable[..., Any]) -> None:
    trainer = build(f"trainer.monitor={monitor}", "trainer.patience=2")
    best = next(c for c in trainer.callbacks if isinstance(c, ModelCheckpoint))
    early = next(c for c in trainer.callbacks if isinstance(c, EarlyStopping))
    assert (best.monitor, best.mode) == (early.monitor, early.mode) == (monitor, mode)
    assert early.patience == 2


def test_without_patience_nothing_stops_early(build: Callable[..., Any]) -> None:
    assert not any(isinstance(c, EarlyStopping) for c in build("trainer.patience=null").callbacks)


@pytest.mark.parametrize(
    ("settings", "strategy", "accelerator", "devices", "precision"),
    [
        (("trainer=cpu",), SingleDeviceStrategy, CPUAccelerator, 1, "32-true"),
        (("trainer=auto",), SingleDeviceStrategy, CUDAAccelerator, 1, "bf16-mixed"),
        (("trainer=gpu",), SingleDeviceStrategy, CUDAAccelerator, 1, "bf16-mixed"),
        (("trainer=gpu", "trainer.precision=16-mixed"), SingleDeviceStrategy, CUDAAccelerator, 1, "16-mixed"),
        (("trainer=ddp",), DDPStrategy, CUDAAccelerator, 4, "bf16-mixed"),
        (("trainer=fsdp",), ModelParallelStrategy, CUDAAccelerator, 4, "bf16-mixed"),
        (("trainer=fsdp", "trainer.precision=32-true"), ModelParallelStrategy, CUDAAccelerator, 4, "32-true"),
        (("trainer=fsdp", "trainer.accelerator=cpu"), ModelParallelStrategy, CPUAccelerator, 1, "32-true"),
    ],
)
def test_what_lightning_makes_of_the_settings_on_four_gpus(
    settings: tuple[str, ...],
    strategy: type,
    accelerator: type,
    devices: int,
    precision: str,
    gpu: Callable[..., None],
    build: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpu(4)
    monkeypatch.setattr(trainer_module, "processor_has_bf16", lambda: False)
    trainer = build(*settings)
    assert isinstance(trainer.strategy.checkpoint_io, WholeFiles)
    assert isinstance(trainer.strategy, strategy)
    assert isinstance(trainer.accelerator, accelerator)
    assert (trainer.num_devices, trainer.precision) == (devices, precision)


@pytest.mark.parametrize(("num_nodes", "total"), [(1, 2), (3, 6)])
def test_weights_are_shared_among_all_processes(num_nodes: int, total: int, build: Callable[..., Any]) -> None:
    trainer = build("trainer=fsdp", "trainer.accelerator=cpu", "trainer.devices=2", f"trainer.num_nodes={num_nodes}")
    # Lightning's own choice would be as many as machines: the processes of one would not hear of each other.
    assert trainer.strategy._data_parallel_size == trainer.world_size == total
    assert trainer.strategy._tensor_parallel_size == 1
    # One file, as everywhere: a resume point has one name and one digest.
    assert not trainer.strategy._save_distributed_checkpoint


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, ["LightningEnvironment"]),
        # In a batch script that calls no srun, there are no other tasks to wait for.
        ({"SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "4", "SLURM_JOB_ID": "1"}, ["LightningEnvironment"]),
        ({"SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "4", "SLURM_STEP_NUM_TASKS": "4"}, ["SLURMEnvironment"]),
        ({"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}, []),  # Lightning knows torchrun
    ],
)
def test_where_lightning_learns_its_rank(
    environment: dict[str, str], found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tagnet.training import trainer as trainer_file

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert [type(plugin).__name__ for plugin in trainer_file._plugins()] == found


def test_the_best_so_far_is_remembered_where_the_folder_has_moved(build: Callable[..., Any], tmp_path: Path) -> None:
    def best(trainer: Any) -> Any:
        return next(c for c in trainer.callbacks if isinstance(c, ModelCheckpoint))

    before = best(build())
    before.best_model_score = before.kth_value = torch.tensor(0.7)
    before.best_model_path = before.kth_best_model_path = "/moved/since/checkpoints/best.ckpt"
    before.best_k_models = {before.best_model_path: before.best_model_score}
    state = before.state_dict() | {"dirpath": "/moved/since/checkpoints"}
    after = best(build())
    after.load_state_dict(state)
    assert after.best_model_score == torch.tensor(0.7)
    assert after.kth_value == torch.tensor(0.7)
    assert after.best_k_models == {str(tmp_path / "best.ckpt"): torch.tensor(0.7)}
    assert not after.check_monitor_top_k(cast(Any, build()), torch.tensor(0.6))
    assert after.check_monitor_top_k(cast(Any, build()), torch.tensor(0.8))


# -------------------------------------------------------------------------------------------------------- best weights


@pytest.mark.parametrize("head", ["linear", "label_attention"])
def test_the_best_weights_come_back_in_a_network_of_their_own(
    head: Any, tmp_path: Path, tiny: Encoder, make_network: MakeNetwork
) -> None:
    best = make_network(4, head=head)
    ids_ST = torch.tensor([[1, 5, 9, 2], [1, 7, 2, 0]])
    mask_ST = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    with torch.no_grad():
        expected_SK = best(ids_ST, mask_ST)
    weights = {f"network.{name}": value.clone() for name, value in best.state_dict().items()}
    torch.save({"state_dict": weights, "global_step": 12}, tmp_path / "best.ckpt")
    with torch.no_grad():
        for parameter in tiny.module.parameters():  # trained on since
            parameter.zero_()
    model, adapter = ModelConfig("mean", head, 0.1, None, False, None), NoAdapterConfig("none")
    network, step = best_network(tmp_path, tiny, model, adapter, 4)
    assert step == 12
    assert not network.training
    with torch.no_grad():
        torch.testing.assert_close(network(ids_ST, mask_ST), expected_SK)


def test_best_weights_that_cannot_be_read_are_one_clear_error(tmp_path: Path, tiny: Encoder) -> None:
    (tmp_path / "best.ckpt").write_bytes(b"")
    model, adapter = ModelConfig("mean", "linear", 0.1, None, False, None), NoAdapterConfig("none")
    with pytest.raises(RunDirectoryError, match=r"/best\.ckpt: expected the weights that the run has saved, found "):
        best_network(tmp_path, tiny, model, adapter, 4)
