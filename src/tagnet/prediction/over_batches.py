"""Probabilities of many tokenized texts from a model that takes one padded batch of sequences.

Shapes: N texts, S sequences (one or more windows of each text), K tags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

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
    workers: int = 1,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probabilities (N, K) and decisions (N, K) of all texts in their own order.

    Args:
        tokens: N tokenized texts.
        run: the model.
        num_tags: K.
        batch_size: texts in a batch, and sequences that are run at once where texts have windows.
        progress: called with the number of texts done after every batch.
        workers: threads that run batches at the same time; `run` must be safe to call from each of them.
    """
    probs_NK = np.zeros((len(tokens), num_tags))
    accepted_NK = np.zeros((len(tokens), num_tags), dtype=np.bool_)

    def run_batch(index_B: NDArray[np.int64]) -> int:
        texts_B = [tokens.sequences(i) for i in index_B.tolist()]
        sequences_S = [sequence for sequences in texts_B for sequence in sequences]
        parts = [run(sequences_S[i : i + batch_size]) for i in range(0, len(sequences_S), batch_size)]
        # σ and a slope above 0 keep the order of logits: the largest logit over windows is the largest probability.
        first_B = np.cumsum([0, *(len(sequences) for sequences in texts_B[:-1])])
        probs_NK[index_B] = np.maximum.reduceat(np.concatenate([probs_SK for probs_SK, _ in parts]), first_B)
        accepted_NK[index_B] = np.logical_or.reduceat(np.concatenate([made for _, made in parts]), first_B)
        return len(index_B)

    done = 0
    for number in _each(run_batch, plan_in_order_of_length(tokens.lengths_N, batch_size), workers):
        done += number
        if progress is not None:
            progress(done)
    return probs_NK, accepted_NK


def _each(step: Callable[[NDArray[np.int64]], int], items: Iterable[NDArray[np.int64]], workers: int) -> Iterator[int]:
    """What a step returns for each item, in order; once an error or an interruption is met no further item is begun."""
    if workers == 1:
        yield from map(step, items)
        return
    executor = ThreadPoolExecutor(workers)
    try:
        yield from executor.map(step, items)
    finally:
        executor.shutdown(cancel_futures=True)
