"""The Lightning shell around tokens, targets and the split.

Shapes: N texts of the corpus, K tags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from tagnet.config import SamplerConfig, TrainerConfig
from tagnet.data.batches import Batch, collate, plan_epoch
from tagnet.data.padding import plan_in_order_of_length
from tagnet.data.sampling import epoch_indices
from tagnet.data.split import Split
from tagnet.data.tokens import TokenizedTexts
from tagnet.records.sparse_labels import SparseLabels


@dataclass(frozen=True)
class Targets:
    """What a network should say about N texts."""

    targets_NK: NDArray[np.float32] | SparseLabels
    """In [0, 1]; a value between is a soft target. Labels: 1 where a record bears a tag."""
    known_NK: NDArray[np.bool_] | None = None
    """Which cells are known; None: all."""

    def of(self, index_B: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
        """Targets, (B, K), and which cells are known, of some texts."""
        known_BK = None if self.known_NK is None else self.known_NK[index_B]
        if isinstance(self.targets_NK, SparseLabels):
            return self.targets_NK.take(index_B).dense_NK().astype(np.float32), known_BK
        return self.targets_NK[index_B], known_BK


@dataclass(frozen=True)
class PlannedBatch:
    """The texts of one batch that one process reads."""

    index_B: NDArray[np.int64]
    share: float = 1.0
    """What its mean loss counts for: 1 unless the batch does not divide by the number of processes."""


def part_of_process(index_G: NDArray[np.int64], rank: int, num_processes: int) -> PlannedBatch:
    """The part of a global batch of G texts that one of several processes reads.

    Processes average their gradients, so a part's mean loss counts for its share of the texts. A process for which no
    text is left reads one that counts for nothing, so that all take the same steps.

    >>> parts = [part_of_process(np.array([7, 8, 9]), rank, 2) for rank in (0, 1)]
    >>> [(part.index_B.tolist(), round(part.share, 2)) for part in parts]
    [([7, 9], 1.33), ([8], 0.67)]
    """
    part = index_G[rank::num_processes]
    if len(part) == 0:
        return PlannedBatch(index_G[:1], 0.0)
    return PlannedBatch(part, len(part) * num_processes / len(index_G))


class _Batches(Dataset[Batch]):
    """Planned batches, collated when they are asked for."""

    def __init__(self, planned: Sequence[PlannedBatch], make: Callable[[PlannedBatch], Batch]) -> None:
        self._planned = planned
        self._make = make

    def __getitem__(self, number: int) -> Batch:
        return self._make(self._planned[number])

    def __len__(self) -> int:
        return len(self._planned)


class _Remaining(Sampler[int]):
    """The batches of an epoch after the first `done`, with the length of the whole epoch, as Lightning counts."""

    def __init__(self, num_batches: int, done: int) -> None:
        self._num_batches = num_batches
        self._done = done

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._done, self._num_batches))

    def __len__(self) -> int:
        return self._num_batches


class TextDataModule(pl.LightningDataModule):
    """Training batches of like length, and validation batches from the longest to the shortest.

    The trainer must reload the training loader at every epoch: it is made for one epoch, as a pure function of the
    seed and that epoch. `place` says how much of an epoch is done; it is kept in checkpoints.
    """

    def __init__(
        self,
        texts: TokenizedTexts,
        targets: Targets,
        y_NK: NDArray[np.uint8],
        split: Split,
        pad_id: int,
        sampler: SamplerConfig,
        trainer: TrainerConfig,
        seed: int,
    ) -> None:
        super().__init__()
        self._texts = texts
        self._targets = targets
        self._pad_id = pad_id
        self._lengths_N = texts.lengths_N
        self._train = split.train
        self._y_train_NK = y_NK[split.train]
        self._val = split.val
        self._sampler = sampler
        self._sizes = trainer
        self._seed = seed
        self.place = (0, 0)
        """An epoch, and how many of its batches are done."""

    def state_dict(self) -> dict[str, int]:
        """The place, for a checkpoint."""
        epoch, done = self.place
        return {"epoch": epoch, "batches_done": done}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Go back to the place of a checkpoint."""
        self.place = (state_dict["epoch"], state_dict["batches_done"])

    def train_batches(self, epoch: int) -> list[NDArray[np.int64]]:
        """The global batches of an epoch: the sampler's choice of records, then batches of like length."""
        assert self._sizes.batch_size is not None
        chosen = self._train[epoch_indices(self._y_train_NK, self._sampler, self._seed, epoch)]
        return plan_epoch(self._lengths_N, chosen, self._sizes.batch_size, self._seed, epoch)

    def train_dataloader(self) -> DataLoader[Batch]:
        """This process's part of the batches of the trainer's current epoch that are still to be done."""
        epoch, rank, num_processes = self._position()
        planned = [part_of_process(batch, rank, num_processes) for batch in self.train_batches(epoch)]
        return self._loader(planned, done=self.place[1] if self.place[0] == epoch else 0)

    def val_dataloader(self) -> DataLoader[Batch]:
        """This process's validation batches; some texts come twice where that gives all processes as many batches."""
        _, rank, num_processes = self._position()
        plan = plan_in_order_of_length(self._lengths_N[self._val], self._sizes.eval_batch_size)
        filled = plan + plan[:1] * (-len(plan) % num_processes)
        return self._loader([PlannedBatch(self._val[batch]) for batch in filled[rank::num_processes]])

    def _position(self) -> tuple[int, int, int]:
        """Epoch, rank, number of processes."""
        if self.trainer is None:
            return 0, 0, 1
        return self.trainer.current_epoch, self.trainer.global_rank, self.trainer.world_size

    def _make(self, planned: PlannedBatch) -> Batch:
        targets_BK, known_BK = self._targets.of(planned.index_B)
        return collate(self._texts, planned.index_B, self._pad_id, targets_BK, known_BK, share=planned.share)

    def _loader(self, planned: Sequence[PlannedBatch], done: int = 0) -> DataLoader[Batch]:
        # Collating from memory takes well under a millisecond: worker processes would cost more than they bring.
        return DataLoader(
            _Batches(planned, self._make),
            batch_size=None,
            sampler=_Remaining(len(planned), done),
            num_workers=0,
        )
