"""Batches of texts of like length, padded no further than their longest.

Shapes: N texts, B texts of a batch, S sequences (windows) of a batch, T tokens of the longest, K tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tagnet.data.padding import pad_sequences
from tagnet.data.tokens import TokenizedTexts

_POOL = 64
"""Batches that are sorted by length together: more waste less padding, fewer mix more."""
_JITTER = 0.15
"""A length is multiplied by 1 ± this before sorting."""


class Batch(NamedTuple):
    """What a training or prediction step takes."""

    index_B: Tensor
    """Which of the N texts these are."""
    input_ids_ST: Tensor
    """Token ids, padded at the end."""
    mask_ST: Tensor
    """1 at tokens, 0 at padding."""
    text_of_S: Tensor | None
    """Which of the B texts each sequence is a window of, ascending; None where each text is one sequence."""
    targets_BK: Tensor | None
    """Targets in [0, 1]; None in prediction."""
    known_BK: Tensor | None
    """Which cells are known; None: all."""
    share: float = 1.0
    """What the batch's mean loss counts for beside those of other processes; see `part_of_process`."""


def plan_epoch(
    lengths_N: NDArray[np.int64], indices: NDArray[np.int64], batch_size: int, seed: int, epoch: int
) -> list[NDArray[np.int64]]:
    """The batches of an epoch: random, yet each of texts of like length. Pure in (seed, epoch).

    The indices are shuffled, cut into pools of 64 batches, sorted inside a pool by a length that is jittered by up to
    15% (else a small corpus would meet the same neighbours in every epoch), and the batches are shuffled again. Only
    one batch can be smaller than the others.

    Args:
        lengths_N: tokens of each of the N texts.
        indices: the texts of this epoch; one that stands there twice is shown twice.
        batch_size: texts in a batch.
        seed: of the run.
        epoch: from 0.

    >>> batches = plan_epoch(np.array([5, 90, 6, 91]), np.arange(4), 2, seed=0, epoch=0)
    >>> sorted(sorted(batch.tolist()) for batch in batches)
    [[0, 2], [1, 3]]
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(indices)
    jittered = lengths_N[order] * rng.uniform(1 - _JITTER, 1 + _JITTER, len(order))
    pool = batch_size * _POOL
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), pool):
        part = order[start : start + pool][np.argsort(jittered[start : start + pool], kind="stable")]
        batches.extend(part[i : i + batch_size] for i in range(0, len(part), batch_size))
    return [batches[i] for i in rng.permutation(len(batches))]


def collate(
    texts: TokenizedTexts,
    index_B: Sequence[int] | NDArray[np.int64],
    pad_id: int,
    targets_BK: NDArray[np.float32] | None = None,
    known_BK: NDArray[np.bool_] | None = None,
    share: float = 1.0,
) -> Batch:
    """Put the texts of these indices into one padded batch, as wide as its longest sequence; targets are theirs."""
    index = np.asarray(index_B, dtype=np.int64)
    texts_B = [texts.sequences(i) for i in index.tolist()]
    sequences_S = [sequence for sequences in texts_B for sequence in sequences]
    input_ids_ST, mask_ST = pad_sequences(sequences_S, pad_id)
    text_of_S = None
    if len(sequences_S) > len(index):
        text_of_S = torch.from_numpy(np.repeat(np.arange(len(index)), [len(sequences) for sequences in texts_B]))
    return Batch(
        index_B=torch.from_numpy(index),
        input_ids_ST=torch.from_numpy(input_ids_ST),
        mask_ST=torch.from_numpy(mask_ST),
        text_of_S=text_of_S,
        targets_BK=None if targets_BK is None else torch.from_numpy(targets_BK),
        known_BK=None if known_BK is None else torch.from_numpy(known_BK),
        share=share,
    )
