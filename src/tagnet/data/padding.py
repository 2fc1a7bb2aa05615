"""Sequences of like length put together, and padded no further than the longest. NumPy only, for serving.

Shapes: N texts, B texts of a batch, S sequences, T tokens of the longest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def plan_in_order_of_length(lengths_N: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    """All N texts in batches from the longest to the shortest, for evaluation and prediction."""
    order = np.argsort(-lengths_N, kind="stable")
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


def pad_sequences(
    sequences_S: Sequence[Sequence[int] | NDArray[np.integer]], pad_id: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Token ids, (S, T), padded at the end, and their mask, (S, T): 1 at tokens, 0 at padding.

    An empty sequence becomes one padding token that counts, so that no pooling is ever left without a token.

    >>> ids_ST, mask_ST = pad_sequences([[7, 8, 9], []], pad_id=0)
    >>> ids_ST.tolist(), mask_ST.tolist()
    ([[7, 8, 9], [0, 0, 0]], [[1, 1, 1], [1, 0, 0]])
    """
    lengths_S = np.maximum(np.array([len(sequence) for sequence in sequences_S], dtype=np.int64), 1)
    ids_ST = np.full((len(sequences_S), int(lengths_S.max(initial=1))), pad_id, dtype=np.int64)
    for row, sequence in enumerate(sequences_S):
        ids_ST[row, : len(sequence)] = sequence
    mask_ST = (np.arange(ids_ST.shape[1]) < lengths_S[:, None]).astype(np.int64)
    return ids_ST, mask_ST
