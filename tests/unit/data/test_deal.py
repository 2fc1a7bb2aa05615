"""Records are dealt as the package deals them, draw for draw."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from iterstrat.ml_stratifiers import IterativeStratification

from tagnet.data.deal import deal
from tagnet.records.sparse_labels import SparseLabels


@settings(max_examples=150, deadline=None)
@given(
    num_records=st.integers(1, 60),
    num_tags=st.integers(1, 12),
    density=st.floats(0.0, 0.8),
    weights=st.lists(st.integers(1, 8), min_size=2, max_size=5),
    seed=st.integers(0, 10**6),
)
def test_every_record_goes_where_the_package_puts_it(
    num_records: int, num_tags: int, density: float, weights: list[int], seed: int
) -> None:
    drawn = np.random.default_rng(seed)
    y_NK = drawn.random((num_records, num_tags)) < density * drawn.random(num_tags)
    shares_P = np.asarray(weights) / sum(weights)
    theirs, ours = np.random.RandomState(seed), np.random.RandomState(seed)
    expected = IterativeStratification(y_NK, shares_P.copy(), theirs)
    found = deal(SparseLabels.from_dense(y_NK.astype(np.uint8)), shares_P, ours)
    assert found.tolist() == expected.tolist()
    assert ours.randint(10**9) == theirs.randint(10**9), "not as many draws"
