"""Steps run on a GPU to see whether they fit; weights and random numbers stay what they were."""

from __future__ import annotations

from collections.abc import Callable

import torch

from tagnet.model.network import TaggerNetwork
from tagnet.training.local_rank import local_rank
from tagnet.training.memory import BatchShape, stand_in, training_step

MOST = 2**16
"""Texts of a batch beyond which nobody asks."""


def own_gpu() -> torch.device:
    """The GPU that this process will train on, of those that it sees."""
    return torch.device("cuda", local_rank() % torch.cuda.device_count())


def free_on(device: torch.device) -> int:
    """Memory of a GPU that this process can still have, in bytes."""
    torch.cuda.empty_cache()
    return int(torch.cuda.mem_get_info(device)[0])


def fits_on(
    device: torch.device,
    network: TaggerNetwork,
    shape: BatchShape,
    dtype: torch.dtype | None,
    copies: int,
    *,
    train: bool = True,
) -> bool:
    """Whether a batch of that shape runs on a device.

    Args:
        device: the network is there afterwards.
        network: without gradients.
        shape: of the batch.
        dtype: of autocast.
        copies: of the weights that are trained, to lie beside them and the gradients of a batch that is learned from.
        train: whether something is learned from the batch.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    was_training = network.training
    held: list[torch.Tensor] = []
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
        network.train(was_training)
        for parameter in trained:
            parameter.grad = None
        held.clear()
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return True


def largest_by_trial(fits: Callable[[int], bool], start: int, most: int = MOST) -> int:
    """The largest count up to `most` that fits, to an eighth: doubled while it fits, then closed in by halves; 0: none.

    >>> largest_by_trial(lambda count: count <= 100, start=1), largest_by_trial(lambda count: count <= 100, start=512)
    (96, 96)
    >>> largest_by_trial(lambda count: False, start=4), largest_by_trial(lambda count: True, start=3, most=50)
    (0, 50)
    """
    low, high, count = 0, most + 1, min(start, most)
    while count > 0:
        if fits(count):
            low = count
        else:
            high = count
        if low == most or (high <= most and high - low <= max(1, low // 8)):
            break
        count = min(2 * low, most) if high > most else (low + high) // 2
    return low
