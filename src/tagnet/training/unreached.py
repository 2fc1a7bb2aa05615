"""Weights of an encoder that no loss reaches, such as Longformer's of global attention and LUKE's of entities."""

from __future__ import annotations

import copy
from typing import Any

import torch

from tagnet.model.network import TaggerNetwork
from tagnet.training.memory import BatchShape, stand_in, training_step

_TEXT = BatchShape(texts=1, sequences=1, tokens=8)


def freeze_unreached(network: TaggerNetwork) -> int:
    """Freeze the weights that get no gradient from a short text: processes that average gradients wait for each.

    Args:
        network: on the CPU, without gradients; is otherwise left as it is, as are the random numbers.

    Returns:
        How many parameters were frozen.
    """
    # A copy that shares all tensors: some encoders change for good when they see a short text, as BigBird does.
    memo: dict[int, Any] = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    twin = copy.deepcopy(network, memo).eval()
    with torch.random.fork_rng(devices=[]):
        training_step(twin, stand_in(twin, _TEXT), None).backward()  # type: ignore[no-untyped-call]
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    unreached = [parameter for parameter in trained if parameter.grad is None]
    for parameter in trained:
        parameter.grad = None
    for parameter in unreached:
        parameter.requires_grad_(False)
    return sum(parameter.numel() for parameter in unreached)
