"""Sequences put together for a model, without torch."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tagnet.data.padding import pad_sequences, plan_in_order_of_length


@given(lengths=st.lists(st.integers(1, 50), max_size=40), batch_size=st.integers(1, 9))
def test_evaluation_goes_from_the_longest_to_the_shortest(lengths: list[int], batch_size: int) -> None:
    lengths_N = np.array(lengths, dtype=np.int64)
    batches = plan_in_order_of_length(lengths_N, batch_size)
    order = np.concatenate([np.zeros(0, np.int64), *batches])
    assert sorted(order.tolist()) == list(range(len(lengths)))
    assert (np.diff(lengths_N[order]) <= 0).all()


@given(sequences=st.lists(st.lists(st.integers(1, 9), max_size=6), max_size=5))
def test_the_mask_says_where_the_sequences_are(sequences: list[list[int]]) -> None:
    ids_ST, mask_ST = pad_sequences(sequences, pad_id=0)
    assert ids_ST.shape == mask_ST.shape == (len(sequences), max([1, *map(len, sequences)]))
    for ids_T, mask_T, sequence in zip(ids_ST, mask_ST, sequences, strict=True):
        assert ids_T[mask_T == 1].tolist() == (sequence or [0])
        assert not ids_T[mask_T == 0].any()
