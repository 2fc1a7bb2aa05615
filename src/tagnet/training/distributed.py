"""What processes that train together tell each other."""

from __future__ import annotations

from typing import TypeVar

import pytorch_lightning  # noqa: F401 - sets the rank that rank_zero_only knows
import torch.distributed as dist
from lightning_utilities.core.rank_zero import rank_zero_only

T = TypeVar("T")


def is_first_process() -> bool:
    """Whether this process is the one that speaks and writes; known from the launcher before any group exists."""
    return not getattr(rank_zero_only, "rank", 0)


def gather(value: T) -> list[T]:
    """The value of every process, in the order of their ranks; every process must call it."""
    if not (dist.is_available() and dist.is_initialized()):
        return [value]
    found: list[T | None] = [None] * dist.get_world_size()
    dist.all_gather_object(found, value)
    return found  # type: ignore[return-value]


def leave_group() -> None:
    """Wait for the others, and end the group."""
    if dist.is_available() and dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
