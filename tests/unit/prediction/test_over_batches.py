"""Batches run one after the other or several at a time: the same numbers in the same places."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from tagnet.data.tokens import TokenizedTexts
from tagnet.prediction.over_batches import TokenIds, over_batches


def texts_of(lengths: Sequence[int]) -> TokenizedTexts:
    """Text n holds the ids n, n, n, …, as long as it shall be."""
    starts = np.cumsum([0, *lengths])
    ids = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    return TokenizedTexts(ids, starts, np.arange(len(lengths) + 1), np.zeros(len(lengths), np.bool_), 99)


def run(sequences_S: Sequence[TokenIds]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The first id and the length of a sequence; odd ids are accepted."""
    first_S = np.array([sequence[0] for sequence in sequences_S])
    probs_SK = np.stack([first_S, [len(sequence) for sequence in sequences_S]], axis=1).astype(np.float32)
    return probs_SK, (first_S % 2 == 1)[:, None].repeat(2, axis=1)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_each_text_has_its_own_row(workers: int, batch_size: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 20, 23).tolist()
    counts: list[int] = []
    probs_NK, accepted_NK = over_batches(
        texts_of(lengths), run, 2, batch_size=batch_size, progress=counts.append, workers=workers
    )
    np.testing.assert_array_equal(probs_NK, np.stack([np.arange(23), lengths], axis=1))
    np.testing.assert_array_equal(accepted_NK[:, 0], np.arange(23) % 2 == 1)
    assert counts == sorted(counts)
    assert counts[-1] == 23


def test_several_batches_are_run_at_the_same_time() -> None:
    both = threading.Barrier(2)

    def meeting(sequences_S: Sequence[TokenIds]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        both.wait(timeout=30)  # one alone would wait in vain
        return run(sequences_S)

    over_batches(texts_of([1, 1, 1, 1]), meeting, 2, batch_size=1, workers=2)


def test_after_an_error_no_further_batch_is_begun() -> None:
    begun: list[int] = []

    def failing(sequences_S: Sequence[TokenIds]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        begun.append(1)
        raise ValueError("no such batch")

    with pytest.raises(ValueError, match="no such batch"):
        over_batches(texts_of([1] * 1000), failing, 2, batch_size=1, workers=2)
    assert len(begun) < 1000
