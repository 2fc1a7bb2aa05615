"""What is said where memory does not suffice, and the ways out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from tagnet.config import TrainConfig, TwoWayConfig
from tagnet.errors import HardwareError
from tagnet.model.pretrained import first_line
from tagnet.training.memory import BatchShape
from tagnet.training.processes import num_nodes, num_processes
from tagnet.training.size_words import in_words
from tagnet.training.trainer import choose_precision

_NO_RAM = "DefaultCPUAllocator: can't allocate memory"


def too_large(
    config: TrainConfig, shape: BatchShape, available: int, fits: int | None, needed: int | None = None
) -> HardwareError:
    """The error for a training batch that does not fit.

    Args:
        config: of the run.
        shape: of the batch of one process.
        available: bytes.
        fits: texts of a process that would fit; 0: none; None: unknown.
        needed: bytes beside the weights; None: unknown.
    """
    processes = num_processes(config.trainer) * num_nodes(config.trainer)
    each = " in each process" if processes > 1 else ""
    need = "do not fit" if needed is None else f"need {in_words(needed)} beside the weights"
    most = "" if fits is None else f"; about {fits * processes} fit" if fits else "; not even one fits"
    return HardwareError(
        f"trainer.batch_size={config.trainer.batch_size}: {shape.in_words()}{each} {need}, and {in_words(available)} "
        f"of memory are available{most}.\n{ways_out(config, shape.texts, fits)}"
    )


def evaluation_too_large(
    config: TrainConfig, shape: BatchShape, available: int, fits: int | None = None
) -> HardwareError:
    """The error for an evaluation batch that does not fit; the arguments are those of `too_large`."""
    smaller = max(1, config.trainer.eval_batch_size // 4) if fits is None else max(1, fits)
    return HardwareError(
        f"trainer.eval_batch_size={config.trainer.eval_batch_size}: {shape.in_words()} do not fit beside the "
        f"optimizer's state into {in_words(available)} of memory.\n"
        f"Ways out: trainer.eval_batch_size={smaller}, a lower data.max_tokens."
    )


def ways_out(config: TrainConfig, texts: int, fits: int | None) -> str:
    """What can be done about too little memory, as settings.

    Args:
        config: of the run.
        texts: of the batch of one process.
        fits: texts of a process that would fit; 0: none; None: unknown.
    """
    trainer, ways = config.trainer, []
    parts = 2 if fits is None else math.ceil(texts / fits) if fits else 0
    if parts and texts > 1:
        size = math.ceil(texts / parts) * num_processes(trainer) * num_nodes(trainer)
        accumulate = f"trainer.accumulate={trainer.accumulate * parts}"
        # A loss between the records of a batch is another one in parts.
        same = "" if isinstance(config.loss, TwoWayConfig) else " (the same steps, in parts)"
        ways.append(f"trainer.batch_size={size} {accumulate}{same}")
    if not trainer.gradient_checkpointing:
        ways.append("trainer.gradient_checkpointing=true")
    ways.append("a lower data.max_tokens")
    if choose_precision(trainer) == "32-true":
        ways.append("trainer.precision=bf16-mixed")
    if config.adapter.name == "none":
        ways.append("adapter=lora")
    if parts == 0:
        ways.append("a smaller encoder")
    return f"Ways out: {', '.join(ways)}."


@contextmanager
def memory_errors(config: TrainConfig) -> Iterator[None]:
    """Turn memory that runs out in the midst of a run into one clear error.

    Raises:
        HardwareError: the GPU, or the machine, had no more.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        on_gpu = isinstance(error, torch.OutOfMemoryError)
        if not (on_gpu or isinstance(error, MemoryError) or _NO_RAM in str(error)):
            raise
        raise HardwareError(
            f"trainer.batch_size={config.trainer.batch_size}: the {'GPU' if on_gpu else 'machine'} ran out of memory "
            f"({first_line(error)}).\nWhere another process took it, the same command goes on from the last resume "
            f"point; else choose another run.dir.\n{ways_out(config, config.trainer.batch_size or 1, None)}"
        ) from error
