"""Lightning's trainer, set up from the configuration."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.strategies import DDPStrategy, ModelParallelStrategy

from tagnet.config import TrainConfig, TrainerConfig
from tagnet.errors import ConfigError, nearest
from tagnet.evaluation.metrics import overall_metrics
from tagnet.prediction.tagger import choose_device
from tagnet.training.module import TaggerModule
from tagnet.training.resume import ResumePoints

_BEST = "best"
_PRECISION_DTYPES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16, "32-true": None}


def check_monitor(config: TrainConfig) -> None:
    """Raise a ConfigError where `trainer.monitor` is no validation metric."""
    any_NK = np.eye(2)
    names = overall_metrics(any_NK, any_NK, any_NK > 0, config.evaluation.at_k)
    known = ["val.loss", *(f"val.{name}" for name in names)]
    if config.trainer.monitor not in known:
        raise ConfigError(
            f"trainer.monitor: expected a validation metric such as val.map or val.f1_macro, "
            f"found {config.trainer.monitor!r}{nearest(config.trainer.monitor, known)}"
        )


def choose_precision(config: TrainerConfig) -> str:
    """The precision that `auto` stands for on this machine."""
    if config.precision != "auto":
        return config.precision
    device = choose_device(config.accelerator)
    return "bf16-mixed" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "32-true"


def autocast_dtype(precision: str) -> torch.dtype | None:
    """What `torch.autocast` is given outside Lightning, for a precision."""
    return _PRECISION_DTYPES[precision]


def make_trainer(
    config: TrainConfig, num_epochs: int, checkpoints: Path, callbacks: Sequence[pl.Callback], resume: ResumePoints
) -> pl.Trainer:
    """A trainer that validates and keeps the best weights every epoch, and says nothing by itself."""
    _quieten()
    trainer = config.trainer
    own: list[pl.Callback] = [
        ModelCheckpoint(
            dirpath=checkpoints,
            filename=_BEST,
            monitor=trainer.monitor,
            mode=trainer.mode,
            save_weights_only=True,
            enable_version_counter=False,
        )
    ]
    if trainer.patience is not None:
        own.append(EarlyStopping(monitor=trainer.monitor, mode=trainer.mode, patience=trainer.patience))
    precision: Any = choose_precision(trainer)
    own.append(resume)
    return pl.Trainer(
        accelerator="gpu" if choose_device(trainer.accelerator).type == "cuda" else "cpu",
        strategy=_strategy(trainer),
        devices=num_processes(trainer),
        num_nodes=trainer.num_nodes,
        plugins=_plugins(),
        precision=precision,
        max_epochs=num_epochs,
        accumulate_grad_batches=trainer.accumulate,
        gradient_clip_val=config.optim.clip_norm,
        callbacks=[*callbacks, *own],
        # The training loader is a pure function of the epoch, so it is asked for anew at each.
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=checkpoints,
    )


def num_processes(config: TrainerConfig) -> int:
    """Processes on this machine."""
    if config.devices is not None:
        return config.devices
    on_gpu = choose_device(config.accelerator).type == "cuda"
    return torch.cuda.device_count() if on_gpu and config.strategy != "single" else 1


def _strategy(config: TrainerConfig) -> Any:
    if config.strategy == "ddp":
        return DDPStrategy()
    if config.strategy == "fsdp":
        # One file a checkpoint, gathered by the first process: resume points and the best weights stay what they are.
        return ModelParallelStrategy(save_distributed_checkpoint=False)
    return "auto"


def _plugins() -> list[Any]:
    # Our own resume points continue a requeued job; Lightning's requeueing would save and load beside them.
    return [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []


def restore_best(checkpoints: Path, module: TaggerModule) -> int:
    """Load the weights of the best epoch into the module; returns the optimizer step they are of."""
    found = torch.load(checkpoints / f"{_BEST}.ckpt", map_location="cpu", weights_only=True)
    module.load_state_dict(found["state_dict"])
    step: int = found["global_step"]
    return step


def _quieten() -> None:
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # A few workers' startup costs more than collating from memory; see TextDataModule.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    # Lightning calls torch functions that torch 2.13 has renamed; nothing that a user could mend.
    warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
    # Every process measures the gathered logits, so that all log the same values.
    warnings.filterwarnings("ignore", message=".*It is recommended to use .self.log.*sync_dist=True.*")
    # It is resumable: TextDataModule keeps its place.
    warnings.filterwarnings("ignore", message=".*your dataloader is not resumable.*")
    warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*number of training batches.*is smaller than the logging interval.*")
