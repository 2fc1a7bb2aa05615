"""Ragged rows are taken and sorted as lists would be."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tagnet.records.ragged import sort_rows, starts_of, take_rows


@given(st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=5), max_size=8), st.data())
def test_rows_are_taken_and_sorted(rows: list[list[int]], data: st.DataObject) -> None:
    values = np.array([value for row in rows for value in row], dtype=np.uint64)
    starts = starts_of(np.array([len(row) for row in rows], dtype=np.int64))
    index = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6)) if rows else []
    taken, taken_starts = take_rows(values, starts, np.array(index, dtype=np.int64))
    assert [taken[a:b].tolist() for a, b in pairwise(taken_starts)] == [rows[i] for i in index]
    sort_rows(values, starts)
    assert values.tolist() == [value for row in rows for value in sorted(row)]
