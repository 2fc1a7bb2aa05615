"""Probabilities of many tokenized texts from a model that takes one padded batch of sequences.

Shapes: N texts, S sequences (one or more windows of each text), K tags.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tagnet.data.padding import plan_in_order_of_length
from tagnet.data.tokens import TokenizedTexts

TokenIds = Sequence[int] | NDArray[np.integer]
Run = Callable[[Sequence[TokenIds]], tuple[NDArray[np.float32], NDArray[np.bool_]]]
"""S sequences of token ids → probabilities (S, K) and decisions (S, K)."""


def over_batches(
    tokens: TokenizedTexts,
    run: Run,
    num_tags: int,
    *,
    batch_size: int,
    progress: Callable[[int], object] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probabilities (N, K) and decisions (N, K) of all texts in their own order.

    Args:
        tokens: N tokenized texts.
        run: the model.
        num_tags: K.
        batch_size: texts in a batch, and sequences that are run at once where texts have windows.
        progress: called with the number of texts done after every batch.
    """
    probs_NK = np.zeros((len(tokens), num_tags))
    accepted_NK = np.zeros((len(tokens), num_tags), dtype=np.bool_)
    done = 0
    for index_B in plan_in_order_of_length(tokens.lengths_N, batch_size):
        texts_B = [tokens.sequences(i) for i in index_B.tolist()]
        sequences_S = [sequence for sequences in texts_B for sequence in sequences]
        parts = [run(sequences_S[i : i + batch_size]) for i in range(0, len(sequences_S), batch_size)]
        # σ and a slope above 0 keep the order of logits: the largest logit over windows is the largest probability.
        first_B = np.cumsum([0, *(len(sequences) for sequences in texts_B[:-1])])
        probs_NK[index_B] = np.maximum.reduceat(np.concatenate([probs_SK for probs_SK, _ in parts]), first_B)
        accepted_NK[index_B] = np.logical_or.reduceat(np.concatenate([made for _, made in parts]), first_B)
        done += len(index_B)
        if progress is not None:
            progress(done)
    return probs_NK, accepted_NK
