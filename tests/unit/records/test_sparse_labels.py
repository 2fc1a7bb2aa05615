"""Sparse labels say what the matrix says."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from tagnet.records.sparse_labels import SparseLabels

MATRICES = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.integers(0, 1))


@given(MATRICES)
def test_there_and_back(y_NK: NDArray[np.uint8]) -> None:
    labels = SparseLabels.from_dense(y_NK)
    assert labels.shape == y_NK.shape
    assert np.array_equal(labels.dense_NK(), y_NK)
    assert np.array_equal(labels.counts_K(), y_NK.sum(0))
    assert np.array_equal(labels.to_csr().toarray(), y_NK)
    assert np.array_equal(labels.records_by_tag().dense_NK(), y_NK.T)
    lists = [np.flatnonzero(row)[::-1].tolist() for row in y_NK]
    assert np.array_equal(SparseLabels.from_lists(lists, y_NK.shape[1]).dense_NK(), y_NK)


@given(MATRICES, st.data())
def test_rows_and_groups(y_NK: NDArray[np.uint8], data: st.DataObject) -> None:
    rows = st.integers(0, len(y_NK) - 1)
    index = np.array(data.draw(st.lists(rows, max_size=10)), dtype=np.int64)
    labels = SparseLabels.from_dense(y_NK)
    assert np.array_equal(labels.take(index).dense_NK(), y_NK[index])
    group_N = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(y_NK), max_size=len(y_NK))))
    expected = [y_NK[group_N == group].any(0) for group in range(4)]
    assert np.array_equal(labels.grouped(group_N, 4).dense_NK(), np.array(expected))
