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
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import DDPStrategy, ModelParallelStrategy

from tagnet.config import AdapterConfig, ModelConfig, TrainConfig, TrainerConfig
from tagnet.errors import ConfigError, HardwareError, nearest
from tagnet.evaluation.metrics import overall_metrics
from tagnet.model.adapter import add_adapter, merge_adapter
from tagnet.model.encoder import Encoder, build_encoder
from tagnet.model.network import TaggerNetwork
from tagnet.prediction.device import choose_device
from tagnet.training.checkpoint_files import WholeFiles, load_file
from tagnet.training.objective import direction
from tagnet.training.processes import find_launch, num_nodes, num_processes
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
    """The precision that the settings stand for on this machine.

    Raises:
        HardwareError: the machine cannot compute in it.
    """
    on_gpu = choose_device(config.accelerator).type == "cuda"
    # Older GPUs and processors emulate it, slower than float32.
    has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False) if on_gpu else processor_has_bf16()
    if config.precision == "auto" and not on_gpu and config.strategy != "single":
        return "32-true"  # several processes on processors rehearse a cluster, and are held against exact numbers
    if config.precision == "auto":
        return "bf16-mixed" if has_bf16 else "32-true"
    if config.precision == "16-mixed" and not on_gpu:
        raise HardwareError("trainer.precision=16-mixed: expected a GPU, found none; use 32-true or bf16-mixed")
    if config.precision == "bf16-mixed" and on_gpu and not has_bf16:
        raise HardwareError(
            f"trainer.precision=bf16-mixed: {torch.cuda.get_device_name()} cannot; use 16-mixed or 32-true"
        )
    return config.precision


def processor_has_bf16() -> bool:
    """Whether this processor multiplies matrices in bfloat16 by itself (AVX-512 BF16, AMX), at twice float32's rate."""
    # PyTorch asks the processor under these names alone; a version without them says no.
    asks = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(ask() for ask in asks if ask is not None)


def autocast_dtype(precision: str) -> torch.dtype | None:
    """What `torch.autocast` is given outside Lightning, for a precision."""
    return _PRECISION_DTYPES[precision]


def make_trainer(
    config: TrainConfig,
    num_epochs: int,
    checkpoints: Path,
    callbacks: Sequence[pl.Callback],
    resume: ResumePoints,
    logger: Logger | None = None,
) -> pl.Trainer:
    """A trainer that validates and keeps the best weights every epoch, and says nothing by itself."""
    _quieten()
    trainer = config.trainer
    own: list[pl.Callback] = [
        _BestWeights(
            dirpath=checkpoints,
            filename=_BEST,
            monitor=trainer.monitor,
            mode=_mode(trainer.monitor),
            save_weights_only=True,
            enable_version_counter=False,
        ),
    ]
    if trainer.patience is not None:
        own.append(EarlyStopping(monitor=trainer.monitor, mode=_mode(trainer.monitor), patience=trainer.patience))
    precision: Any = choose_precision(trainer)
    own.append(resume)
    return pl.Trainer(
        accelerator="gpu" if choose_device(trainer.accelerator).type == "cuda" else "cpu",
        strategy=_strategy(trainer),
        devices=num_processes(trainer),
        num_nodes=num_nodes(trainer),
        plugins=[*_plugins(), WholeFiles()],
        precision=precision,
        max_epochs=num_epochs,
        accumulate_grad_batches=trainer.accumulate,
        callbacks=[*callbacks, *own],
        # The training loader is a pure function of the epoch, so it is asked for anew at each.
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        # Weights that are first put together in inference mode cannot be trained afterwards.
        inference_mode=trainer.strategy != "fsdp",
        logger=logger or False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=checkpoints,
    )


class _BestWeights(ModelCheckpoint):
    """The best epoch so far; where the run's folder has moved, Lightning's own would forget how good that was."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what is known of it, as lying in this folder."""
        folder = Path(str(self.dirpath))

        def here(path: str) -> str:
            return str(folder / Path(path).name) if path else path

        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        best = {here(path): score for path, score in state_dict["best_k_models"].items()}
        moved = {name: here(state_dict[name]) for name in paths} | {"dirpath": self.dirpath, "best_k_models": best}
        super().load_state_dict(state_dict | moved)


def _strategy(config: TrainerConfig) -> Any:
    if config.strategy == "ddp":
        return DDPStrategy()
    if config.strategy == "fsdp":
        # Left to itself, Lightning cuts weights over the machines only: on one machine each process trains for itself.
        # One file a checkpoint, put together by the first process: resume points and best weights are as ever.
        return ModelParallelStrategy(
            data_parallel_size=num_processes(config) * num_nodes(config),
            tensor_parallel_size=1,
            save_distributed_checkpoint=False,
        )
    return "auto"


def _plugins() -> list[Any]:
    """Where Lightning shall learn its rank: it takes any Slurm job for one whose processes srun has started."""
    launch = find_launch()
    if launch is not None and launch.launcher == "srun":
        # Our own resume points continue a requeued job; Lightning's requeueing would save and load beside them.
        return [SLURMEnvironment(auto_requeue=False)]
    return [LightningEnvironment()] if launch is None else []


def _mode(monitor: str) -> str:
    """What Lightning calls `direction`."""
    return {"minimize": "min", "maximize": "max"}[direction(monitor)]


def best_network(
    checkpoints: Path, encoder: Encoder, model: ModelConfig, adapter: AdapterConfig, num_tags: int
) -> tuple[TaggerNetwork, int]:
    """The weights of the best epoch in a network of their own, and the optimizer step they are of.

    The network that was trained may be compiled, in a strategy's wrapper, or have adapters; this one never does.

    Raises:
        RunDirectoryError: their file is missing or damaged.
    """
    found = load_file(checkpoints / f"{_BEST}.ckpt")
    network = TaggerNetwork(build_encoder(encoder.config, encoder.tokenizer, source=encoder.source), model, num_tags)
    add_adapter(network.encoder, adapter)
    prefix = "network."
    weights = {name.removeprefix(prefix): value for name, value in found["state_dict"].items()}
    network.load_state_dict(weights)
    merge_adapter(network.encoder)
    return network.eval(), found["global_step"]


def _quieten() -> None:
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # The settings have said so.
    warnings.filterwarnings("ignore", message=".*GPU available but not used.*")
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
