"""Whether the batches of a run fit, found before training starts; and what is said where memory runs out after all.

On a CPU the largest planned batch is traced (`memory.trace_step`) and held against the RAM that is available. On a GPU
it is run, forward and backward beside room for the optimizer's state, and the GPU's own answer taken.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from tagnet.config import NoSamplerConfig, TrainConfig, TrainerConfig
from tagnet.data.prepare import Prepared
from tagnet.data.sampling import epoch_indices
from tagnet.data.tokens import TokenizedTexts
from tagnet.errors import HardwareError
from tagnet.model.network import TaggerNetwork
from tagnet.model.pretrained import first_line
from tagnet.prediction.device import choose_device
from tagnet.training.hardware import available_memory
from tagnet.training.memory import (
    HEAP_SLACK,
    BatchShape,
    Footprint,
    largest,
    stand_in,
    trace_evaluation,
    trace_step,
    training_step,
)
from tagnet.training.processes import num_nodes, num_processes
from tagnet.training.trainer import autocast_dtype, choose_precision

logger = logging.getLogger("tagnet")

_NO_RAM = "DefaultCPUAllocator"
_MOST = 2**16


def check_memory(config: TrainConfig, network: TaggerNetwork, tokens: TokenizedTexts, prepared: Prepared) -> None:
    """Refuse batches that cannot fit; warn of those that may not.

    Args:
        config: of the run.
        network: as it will be trained, on the CPU; is left as it is.
        tokens: of all texts.
        prepared: the records.

    Raises:
        HardwareError: it names the setting, what would fit, and other ways out.
    """
    split, trainer = prepared.split, config.trainer
    train = longest_batch(tokens, *_shown(config, prepared))
    held_out = np.concatenate([split.val, split.test])
    evaluation = longest_batch(tokens, held_out, min(trainer.eval_batch_size, len(held_out)))
    dtype = autocast_dtype(choose_precision(trainer))
    if choose_device(trainer.accelerator).type == "cuda":
        check_gpu(config, network, train, evaluation, dtype)
    else:
        check_ram(config, network, train, evaluation, dtype)


def longest_batch(tokens: TokenizedTexts, index: NDArray[np.int64], size: int) -> BatchShape:
    """The largest batch of that many texts that these texts could make: the longest, those of most windows first."""
    sequences = np.diff(tokens.text_starts)[index]
    lengths = tokens.lengths_N[index]
    order = np.lexsort([-lengths, -sequences])
    # More texts than there are: a sampler shows some of them again.
    chosen = np.resize(order, size)
    return BatchShape(size, int(sequences[chosen].sum()), int(max(1, lengths[chosen].max(initial=1))))


def per_process(config: TrainerConfig, batch_size: int) -> int:
    """Texts of a global batch that the process with most of them reads."""
    return math.ceil(batch_size / (num_processes(config) * num_nodes(config)))


def needed_memory(step: Footprint, config: TrainerConfig) -> int:
    """RAM that all processes of this machine need for a step, beside the weights that this process holds, in bytes."""
    here, everywhere = num_processes(config), num_processes(config) * num_nodes(config)
    state = step.gradients + step.optimizer
    if config.strategy == "ddp":
        state += step.gradients  # its buckets, through which gradients are averaged
    elif config.strategy == "fsdp":
        state //= everywhere
    return here * (step.weights + state + step.activations) - step.weights


def check_ram(
    config: TrainConfig, network: TaggerNetwork, train: BatchShape, evaluation: BatchShape, dtype: torch.dtype | None
) -> None:
    """Hold what the largest batches of a process need against the RAM that is available.

    Raises:
        HardwareError: there is less.
    """
    step = trace_step(network, train, dtype)
    if step is None:
        return
    needed, available = needed_memory(step, config.trainer), available_memory()
    if needed > available:
        raise too_large(config, train, available, largest_in_ram(config, network, train, dtype, available), needed)
    if needed * HEAP_SLACK > available:
        logger.warning(
            "memory: training needs %s to %s, and %s are available; see tagnet doctor",
            in_words(needed),
            in_words(int(needed * HEAP_SLACK)),
            in_words(available),
        )
    activations = trace_evaluation(network, evaluation, dtype)
    if activations is not None and activations + needed - step.activations > available:
        fits = evaluation.texts * (available - needed + step.activations) // activations
        raise HardwareError(
            f"trainer.eval_batch_size={config.trainer.eval_batch_size}: {evaluation.texts} texts of up to "
            f"{evaluation.tokens} tokens need {in_words(activations)} beside the optimizer's state, and "
            f"{in_words(available)} of memory are available.\nUse trainer.eval_batch_size={max(1, fits)}, or fewer "
            "tokens by data.max_tokens."
        )


def largest_in_ram(
    config: TrainConfig, network: TaggerNetwork, shape: BatchShape, dtype: torch.dtype | None, available: int
) -> int | None:
    """Texts of the largest batch of a process that fits; 0: none; None: unknown."""

    def need(texts: int) -> int | None:
        step = trace_step(network, resized(shape, texts), dtype)
        return None if step is None else needed_memory(step, config.trainer)

    return largest(need, available, shape.texts)


def resized(shape: BatchShape, texts: int) -> BatchShape:
    """A batch of more or fewer such texts.

    >>> resized(BatchShape(texts=2, sequences=6, tokens=64), 4)
    BatchShape(texts=4, sequences=12, tokens=64)
    """
    return BatchShape(texts, math.ceil(texts * shape.sequences / shape.texts), shape.tokens)


def check_gpu(
    config: TrainConfig, network: TaggerNetwork, train: BatchShape, evaluation: BatchShape, dtype: torch.dtype | None
) -> None:
    """Run the largest batches of a process on its GPU.

    A network that several GPUs share is not tried: no single one has to hold it.

    Raises:
        HardwareError: the GPU's memory did not suffice.
    """
    if config.trainer.strategy == "fsdp":
        return
    device = own_gpu()
    copies = 3 if config.trainer.strategy == "ddp" else 2
    try:
        if not fits_on(device, network, train, dtype, copies):
            smaller = largest_by_trial(
                lambda texts: fits_on(device, network, resized(train, texts), dtype, copies), 1, train.texts - 1
            )
            raise too_large(config, train, torch.cuda.get_device_properties(device).total_memory, smaller)
        if not fits_on(device, network, evaluation, dtype, copies, train=False):
            raise HardwareError(
                f"trainer.eval_batch_size={config.trainer.eval_batch_size}: {evaluation.texts} texts of up to "
                f"{evaluation.tokens} tokens do not fit on the GPU.\nUse a smaller one, or fewer tokens by "
                "data.max_tokens."
            )
    finally:
        network.to("cpu")


def own_gpu() -> torch.device:
    """The GPU that this process will train on, of those that it sees."""
    rank = int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0")))
    return torch.device("cuda", rank % torch.cuda.device_count())


def fits_on(
    device: torch.device,
    network: TaggerNetwork,
    shape: BatchShape,
    dtype: torch.dtype | None,
    copies: int,
    *,
    train: bool = True,
) -> bool:
    """Whether a batch of that shape runs on a device. Weights and random numbers stay what they were.

    Args:
        device: the network is there afterwards.
        network: without gradients.
        shape: of the batch.
        dtype: of autocast.
        copies: how many copies of the weights that are trained are to lie beside: AdamW's moments, DDP's buckets.
        train: whether something is learned from the batch.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    held: list[torch.Tensor] = []
    was_training = network.training
    try:
        network.to(device).train(train)
        held += [torch.empty_like(parameter) for parameter in trained for _ in range(copies)]
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.set_grad_enabled(train):
            # Twice: the second time the gradients of the first are there, as they are in training.
            for _ in range(2 if train else 1):
                loss = training_step(network, stand_in(network, shape), dtype)
                if train:
                    loss.backward()  # type: ignore[no-untyped-call]
    except torch.OutOfMemoryError:
        return False
    finally:
        for parameter in trained:
            parameter.grad = None
        held.clear()
        network.train(was_training)
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return True


def largest_by_trial(fits: Callable[[int], bool], start: int, most: int = _MOST) -> int:
    """The largest count up to `most` that fits, to an eighth: doubled until one does not, then halved in between.

    >>> largest_by_trial(lambda count: count <= 100, start=1)
    96
    >>> largest_by_trial(lambda count: count <= 100, start=512), largest_by_trial(lambda count: False, start=4)
    (96, 0)
    """
    low, high = 0, most + 1
    count = min(start, most)
    while high - low > max(1, low // 8):
        if count > 0 and fits(count):
            low = count
        else:
            high = max(count, 1)
        count = (low + high) // 2 if high <= most or low == 0 else min(2 * low, most)
    return low


def too_large(
    config: TrainConfig, shape: BatchShape, available: int, fits: int | None, needed: int | None = None
) -> HardwareError:
    """The error for a batch that does not fit, and the ways out.

    Args:
        config: of the run.
        shape: of the batch of one process.
        available: bytes.
        fits: texts of a process that would fit; 0: none; None: unknown.
        needed: bytes; None: unknown.
    """
    trainer = config.trainer
    processes = num_processes(trainer) * num_nodes(trainer)
    each = f"{shape.texts:,} texts of up to {shape.tokens} tokens" + (" in each process" if processes > 1 else "")
    need = "do not fit" if needed is None else f"need {in_words(needed)} beside the weights"
    most = f"; at most trainer.batch_size={fits * processes} fits" if fits else "; not even one text fits" * (fits == 0)
    return HardwareError(
        f"trainer.batch_size={trainer.batch_size}: {each} {need}, and the memory available is {in_words(available)}"
        f"{most}.\n{ways_out(config, shape.texts, fits)}"
    )


def ways_out(config: TrainConfig, texts: int, fits: int | None) -> str:
    """What can be done about too little memory, as settings."""
    trainer, ways = config.trainer, []
    parts = 2 if fits is None else math.ceil(texts / fits) if fits else 0
    if parts and trainer.batch_size > 1:
        smaller = f"trainer.batch_size={math.ceil(trainer.batch_size / parts)}"
        ways.append(f"{smaller} trainer.accumulate={trainer.accumulate * parts} (the same steps, in parts)")
    if not trainer.gradient_checkpointing:
        ways.append("trainer.gradient_checkpointing=true")
    ways.append("a lower data.max_tokens")
    if choose_precision(trainer) == "32-true":
        ways.append("trainer.precision=bf16-mixed")
    if config.adapter.name == "none":
        ways.append("adapter=lora")
    return "Ways out: " + ", ".join(ways) + "."


@contextmanager
def memory_errors(config: TrainConfig) -> Iterator[None]:
    """Turn memory that runs out in the midst of a run into one clear error.

    Raises:
        HardwareError: the GPU, or the machine, had no more.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        is_gpu = isinstance(error, torch.OutOfMemoryError)
        if not is_gpu and not isinstance(error, MemoryError) and _NO_RAM not in str(error):
            raise
        raise HardwareError(
            f"trainer.batch_size={config.trainer.batch_size}: the {'GPU' if is_gpu else 'machine'} ran out of memory "
            f"({first_line(error)}).\nIf other processes took it, the same command goes on from the last resume point. "
            f"Else, in another run.dir:\n{ways_out(config, config.trainer.batch_size, None)}"
        ) from error


def in_words(size: int) -> str:
    """Bytes as people read them.

    >>> in_words(3 * 2**30), in_words(90 * 2**20)
    ('3.0 GiB', '90 MiB')
    """
    return f"{size / 2**30:,.1f} GiB" if size >= 2**30 else f"{size / 2**20:,.0f} MiB"


def _shown(config: TrainConfig, prepared: Prepared) -> tuple[NDArray[np.int64], int]:
    """The texts that are trained on, and how many of them the largest batch of a process can have."""
    train, size = prepared.split.train, config.trainer.batch_size
    if size <= len(train) or isinstance(config.sampler, NoSamplerConfig):
        return train, per_process(config.trainer, min(size, len(train)))
    shown = len(epoch_indices(prepared.corpus.y_NK[train], config.sampler, config.run.seed, 0))
    return train, per_process(config.trainer, min(size, shown))
