"""What processes that train together tell each other."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytorch_lightning as pl  # sets the rank that rank_zero_only knows
import torch
import torch.distributed as dist
from lightning_utilities.core.rank_zero import rank_zero_only

from tagnet.errors import ProcessError

T = TypeVar("T")

# Of Gloo, of NCCL, and of the store through which processes find each other.
_SIGNS_OF_A_LOST_PROCESS = ("Connection closed by peer", "Connection reset by peer", "gloo", "NCCL", "TCPStore")


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


def any_process(value: bool, device: torch.device) -> bool:
    """Whether it is true in any process; every process must call it, with the device that it trains on."""
    if not (dist.is_available() and dist.is_initialized()):
        return value
    flag = torch.tensor(int(value), device=device)
    dist.all_reduce(flag, op=dist.ReduceOp.MAX)
    return bool(flag)


@contextmanager
def ending_together(trainer: pl.Trainer) -> Iterator[None]:
    """See that no process waits for one that has ended.

    Processes that torchrun or srun has started are ended by them; those that this one has started, by this one.

    Raises:
        ProcessError: another process has ended before this one.
    """
    try:
        yield
    except BaseException as error:
        launcher = trainer.strategy.launcher
        if launcher is not None:
            launcher.kill(signal.SIGKILL)
            # Lightning watches these, and would kill this process for their end before it has said why.
            getattr(launcher, "procs", []).clear()
        if isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS_OF_A_LOST_PROCESS):
            reason = str(error).strip().splitlines()[0].split(". ")[0]
            raise ProcessError(
                f"process {trainer.global_rank} of {trainer.world_size} has lost another one ({reason}).\n"
                "See what that one said last. The same command goes on from the newest resume point."
            ) from error
        raise


def leave_group() -> None:
    """Wait for the others, and end the group."""
    if dist.is_available() and dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
