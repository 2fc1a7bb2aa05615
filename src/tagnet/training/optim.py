"""AdamW with layer-wise learning rates, and its schedule."""

from __future__ import annotations

import math
import re

import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from tagnet.config import OptimConfig, TrainerConfig
from tagnet.model.network import TaggerNetwork

_LAYER = re.compile(r"\.(\d+)\.")


def parameter_groups(network: TaggerNetwork, config: OptimConfig) -> list[dict[str, object]]:
    """Parameters by learning rate and weight decay.

    The encoder's last layer learns at `lr`, each layer below at `layer_decay` times the one above it, the embeddings
    as the layer below the first (Howard & Ruder, ACL 2018, section 3.2), a norm after the last layer as that layer;
    pooling and head at `head_lr`. Vectors (biases, norms) are not decayed.
    """
    inside = dict(network.encoder.named_parameters())
    top = max((_layer_of(name) for name in inside), default=-1)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}

    def add(parameter: nn.Parameter, rate: float) -> None:
        if parameter.requires_grad:
            decay = config.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((rate, decay), []).append(parameter)

    highest = -1
    for name, parameter in inside.items():
        layer = _layer_of(name)
        highest = max(highest, layer)
        if layer == -1 and highest >= 0 and parameter.ndim == 1:
            layer = top
        add(parameter, config.lr * config.layer_decay ** (top - layer))
    for name, parameter in network.named_parameters():
        if not name.startswith("encoder."):
            add(parameter, config.head_lr)
    return [{"params": p, "lr": rate, "weight_decay": decay} for (rate, decay), p in groups.items()]


def _layer_of(name: str) -> int:
    """The number of the layer that a parameter of the encoder belongs to, from 0; −1 where it belongs to none.

    >>> _layer_of("encoder.layer.5.output.dense.weight"), _layer_of("embeddings.word_embeddings.weight")
    (5, -1)
    """
    match = _LAYER.search(name)
    return int(match.group(1)) if match else -1


def make_optimizer(network: TaggerNetwork, config: OptimConfig, precision: str) -> AdamW:
    """AdamW (Loshchilov & Hutter, ICLR 2019) over `parameter_groups`.

    In 16-mixed it is not fused: a fused step unscales the gradients itself, after they should have been clipped.
    """
    fused = config.fused and precision != "16-mixed"
    return AdamW(parameter_groups(network, config), lr=config.lr, fused=fused)


def rate_factor(step: int, num_steps: int, config: OptimConfig) -> float:
    """The share of the peak learning rate at an optimizer step, from 0: above 0 at every one of `num_steps`.

    >>> from tagnet.config import OptimConfig
    >>> config = OptimConfig(1e-4, 1e-3, 1.0, 0.0, 0.5, "linear", clip_norm=None, fused=True)
    >>> [rate_factor(step, 4, config) for step in range(5)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    warmup = round(config.warmup * num_steps)
    if step < warmup:
        return (step + 1) / warmup
    left = max(0.0, (num_steps - step) / max(1, num_steps - warmup))
    if config.schedule == "linear":
        return left
    if config.schedule == "cosine":
        return 0.5 * (1 - math.cos(math.pi * left))
    return 1.0


def make_schedule(optimizer: torch.optim.Optimizer, num_steps: int, config: OptimConfig) -> LambdaLR:
    """`rate_factor` as a scheduler that is stepped after every optimizer step."""
    return LambdaLR(optimizer, lambda step: rate_factor(step, num_steps, config))


def choose_batch_size(config: TrainerConfig, num_records: int) -> int:
    """Records in a batch: the given number; else 16, doubled up to 64 where a corpus of this size would take too long.

    Many steps on few records are what a small corpus needs; a large one is as well learned in fewer, larger ones, which
    a machine computes faster.
    """
    if config.batch_size is not None:
        return config.batch_size
    size, most = 16, 64
    while size < most and (config.max_epochs or config.epoch_range[0]) * num_records / size > 4 * config.steps:
        size *= 2
    return size


def choose_epochs(steps_an_epoch: int, steps: int, epoch_range: tuple[int, int]) -> int:
    """How many epochs come nearest to `steps` optimizer steps, within the range.

    >>> choose_epochs(63, 600, (3, 15)), choose_epochs(7, 600, (3, 15)), choose_epochs(2000, 600, (3, 15))
    (10, 15, 3)
    """
    fewest, most = epoch_range
    return min(max(round(steps / steps_an_epoch), fewest), most)
