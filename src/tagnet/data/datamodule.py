"""The Lightning shell around tokens, targets and the split.

Shapes: N texts of the corpus, K tags.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Sampler

from tagnet.config import SamplerConfig, TrainerConfig
from tagnet.data.batches import Batch, collate, plan_epoch, plan_in_order_of_length
from tagnet.data.sampling import epoch_indices
from tagnet.data.split import Split
from tagnet.data.tokens import TokenizedTexts


@dataclass(frozen=True)
class Targets:
    """What a network should say about N texts."""

    targets_NK: NDArray[np.float32]
    """In [0, 1]; a value between is a soft target."""
    known_NK: NDArray[np.bool_] | None = None
    """Which cells are known; None: all."""


class RemainingBatches(Sampler[list[int]]):
    """The batches of an epoch after the first `done`, with the length of the whole epoch, as Lightning counts."""

    def __init__(self, batches: list[list[int]], done: int) -> None:
        self._batches = batches
        self._done = done

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._batches[self._done :])

    def __len__(self) -> int:
        return len(self._batches)


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
        self._collate = partial(collate, texts, pad_id=pad_id, targets_NK=targets.targets_NK, known_NK=targets.known_NK)
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

    def train_batches(self, epoch: int) -> list[list[int]]:
        """The batches of an epoch: the sampler's choice of records, then batches of like length."""
        chosen = self._train[epoch_indices(self._y_train_NK, self._sampler, self._seed, epoch)]
        batches = plan_epoch(self._lengths_N, chosen, self._sizes.batch_size, self._seed, epoch)
        return [batch.tolist() for batch in batches]

    def train_dataloader(self) -> DataLoader[Batch]:
        """The batches of the trainer's current epoch that are still to be done."""
        epoch = self.trainer.current_epoch if self.trainer is not None else 0
        done = self.place[1] if self.place[0] == epoch else 0
        return self._loader(RemainingBatches(self.train_batches(epoch), done))

    def val_dataloader(self) -> DataLoader[Batch]:
        """All validation texts, once."""
        plan = plan_in_order_of_length(self._lengths_N[self._val], self._sizes.eval_batch_size)
        return self._loader([self._val[batch].tolist() for batch in plan])

    def _loader(self, batches: list[list[int]] | RemainingBatches) -> DataLoader[Batch]:
        # Collating from memory takes well under a millisecond: worker processes would cost more than they bring.
        loader: DataLoader[Batch] = DataLoader(
            range(len(self._lengths_N)),  # type: ignore[arg-type]
            batch_sampler=batches,
            collate_fn=self._collate,
            num_workers=0,
        )
        return loader
