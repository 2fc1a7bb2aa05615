"""Whether the batches of a run fit, found before training starts.

On a CPU the largest planned batch, unless it fits by far, is traced (`memory.trace_step`) and held against the RAM that
is available. On a GPU it is run, forward and backward beside room for the optimizer's state, and the GPU's own answer
taken.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from tagnet.config import NoSamplerConfig, TrainConfig, TrainerConfig
from tagnet.data.prepare import Prepared
from tagnet.data.sampling import epoch_indices
from tagnet.data.tokens import TokenizedTexts
from tagnet.model.head import LabelAttentionHead
from tagnet.model.network import TaggerNetwork
from tagnet.prediction.device import choose_device
from tagnet.training.gpu_trial import fits_on, free_on, largest_by_trial, own_gpu
from tagnet.training.hardware import available_memory
from tagnet.training.local_rank import local_rank
from tagnet.training.memory import (
    HEAP_SLACK,
    BatchShape,
    Footprint,
    largest,
    state_memory,
    trace_evaluation,
    trace_step,
)
from tagnet.training.optim import choose_batch_size
from tagnet.training.out_of_memory import evaluation_too_large, too_large
from tagnet.training.processes import num_nodes, num_processes
from tagnet.training.size_words import in_words
from tagnet.training.trainer import autocast_dtype, choose_precision

logger = logging.getLogger("tagnet")


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
    held_out = np.concatenate([prepared.split.val, prepared.split.test])
    train = longest_batch(tokens, prepared.split.train, _largest_batch(config, prepared))
    evaluation = longest_batch(tokens, held_out, min(config.trainer.eval_batch_size, len(held_out)))
    if choose_device(config.trainer.accelerator).type == "cuda":
        check_gpu(config, network, train, evaluation)
        return
    # For all processes of the machine: what the others have loaded by now is part of what the first one counts.
    if local_rank() > 0:
        return
    if fits_by_far(config.trainer, network, (train, evaluation)):
        return
    step = trace_step(network, train, autocast_dtype(choose_precision(config.trainer)))
    if step is not None:
        check_ram(config, network, train, evaluation, step)


def longest_batch(tokens: TokenizedTexts, index: NDArray[np.int64], size: int) -> BatchShape:
    """The largest batch of `size` texts that the texts of these indices could make: those of most windows, the longest.

    >>> starts = np.array([0, 3, 10, 12])
    >>> texts = TokenizedTexts(np.zeros(12, np.int32), starts, np.arange(4), np.zeros(3, np.bool_), 16)
    >>> longest_batch(texts, np.arange(3), 2)
    BatchShape(texts=2, sequences=2, tokens=7)
    """
    sequences, lengths = np.diff(tokens.text_starts)[index], tokens.lengths_N[index]
    # More texts than there are: a sampler shows some of them again.
    chosen = np.resize(np.lexsort([-lengths, -sequences]), size)
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


def fits_by_far(config: TrainerConfig, network: TaggerNetwork, batches: Sequence[BatchShape]) -> bool:
    """Whether batches fit even by a bound that takes no time to compute, so that tracing them can be spared.

    False where the encoder's sizes are not known.
    """
    state, available = state_memory(network), available_memory()
    bounds = (activation_bound(network, shape) for shape in batches)
    return all(
        bound is not None and needed_memory(replace(state, activations=bound), config) * HEAP_SLACK <= available
        for bound in bounds
    )


def activation_bound(network: TaggerNetwork, shape: BatchShape) -> int | None:
    """More bytes than the activations of a step on such a batch take; None where the encoder's sizes are not known.

    A transformer's in half precision (Korthikanti et al., arXiv 2205.05198, equation 2), four times: float32, and as
    much again for what comes and goes beside them.
    """
    sizes = getattr(network.encoder, "config", None)
    hidden, layers, heads = (
        getattr(sizes, name, None) for name in ("hidden_size", "num_hidden_layers", "num_attention_heads")
    )
    inner = getattr(sizes, "intermediate_size", None)
    if not (hidden and layers and heads and inner) or inner > 4 * hidden:
        return None
    # An encoder of windows pads texts to whole ones by itself.
    if any(hasattr(sizes, name) for name in ("attention_window", "block_size")):
        return None
    tokens, num_tags = shape.sequences * shape.tokens, network.head.weight.shape[0]
    encoder = layers * tokens * hidden * (34 + 5 * heads * shape.tokens / hidden)
    in_head = num_tags * (tokens if isinstance(network.head, LabelAttentionHead) else shape.sequences)
    return int(4 * (encoder + 8 * (in_head + tokens * hidden)))


def check_ram(
    config: TrainConfig, network: TaggerNetwork, train: BatchShape, evaluation: BatchShape, step: Footprint
) -> None:
    """Hold what the largest batches of a process need against the RAM that is available.

    Args:
        config: of the run.
        network: as it will be trained.
        train: the largest training batch.
        evaluation: the largest one from which nothing is learned.
        step: what `train` needs.

    Raises:
        HardwareError: there is less.
    """
    needed, available = needed_memory(step, config.trainer), available_memory()
    if needed > available:
        raise too_large(config, train, available, largest_in_ram(config, network, train, step, available), needed)
    if needed * HEAP_SLACK > available:
        logger.warning(
            "memory: training needs %s to %s beside the weights, and %s are available; see tagnet doctor",
            in_words(needed),
            in_words(int(needed * HEAP_SLACK)),
            in_words(available),
        )
    activations = trace_evaluation(network, evaluation, None)
    if activations is not None:
        idle, busy = (needed_memory(replace(step, activations=n), config.trainer) for n in (0, activations))
        if busy > available:
            fits = max(0, evaluation.texts * (available - idle) // (busy - idle))
            raise evaluation_too_large(config, evaluation, available, fits)


def largest_in_ram(
    config: TrainConfig, network: TaggerNetwork, shape: BatchShape, step: Footprint, available: int
) -> int | None:
    """Texts of the largest batch of a process that fits, with room for what the heap keeps.

    Args:
        config: of the run.
        network: as it will be trained.
        shape: of a batch; another one has more or fewer of its texts.
        step: what that batch needs.
        available: bytes.

    Returns:
        0: none; None: unknown.
    """
    dtype = autocast_dtype(choose_precision(config.trainer))

    def need(texts: int) -> int | None:
        found = step if texts == shape.texts else trace_step(network, shape.resized(texts), dtype)
        return None if found is None else needed_memory(found, config.trainer)

    return largest(need, int(available / HEAP_SLACK), shape.texts)


def check_gpu(config: TrainConfig, network: TaggerNetwork, train: BatchShape, evaluation: BatchShape) -> None:
    """Run the largest batches of a process on its GPU.

    A network that several GPUs share is not tried: no single one has to hold it.

    Raises:
        HardwareError: the GPU's memory did not suffice.
    """
    if config.trainer.strategy == "fsdp":
        return
    device, dtype, copies = own_gpu(), autocast_dtype(choose_precision(config.trainer)), copies_beside(config.trainer)
    try:
        if not fits_on(device, network, train, dtype, copies):
            fits = largest_on_gpu(config, network, train, device, most=train.texts - 1)
            raise too_large(config, train, free_on(device), fits)
        # One copy more: Lightning drops a step's gradients when the next begins, so that validation runs beside them.
        if not fits_on(device, network, evaluation, dtype, copies + 1, train=False):
            raise evaluation_too_large(config, evaluation, free_on(device))
    finally:
        network.to("cpu")


def largest_on_gpu(
    config: TrainConfig, network: TaggerNetwork, shape: BatchShape, device: torch.device, most: int
) -> int:
    """Texts of the largest batch of a process that runs on its GPU, to an eighth; 0: none. The network stays there."""
    dtype, copies = autocast_dtype(choose_precision(config.trainer)), copies_beside(config.trainer)
    return largest_by_trial(
        lambda texts: fits_on(device, network, shape.resized(texts), dtype, copies), min(shape.texts, most), most
    )


def copies_beside(config: TrainerConfig) -> int:
    """Copies of the trained weights that lie beside them and their gradients: AdamW's two moments, DDP's buckets."""
    return 3 if config.strategy == "ddp" else 2


def _largest_batch(config: TrainConfig, prepared: Prepared) -> int:
    """Texts of the largest batch of a process."""
    train = prepared.split.train
    size = choose_batch_size(config.trainer, len(train))
    shown = len(train)
    if size > shown and not isinstance(config.sampler, NoSamplerConfig):
        shown = len(epoch_indices(prepared.corpus.y_NK[train], config.sampler, config.run.seed, 0))
    return per_process(config.trainer, min(size, shown))
