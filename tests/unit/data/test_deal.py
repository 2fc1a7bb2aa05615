"""Records are dealt as the package deals them, draw for draw."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

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


def lines_run(labels: SparseLabels) -> int:
    """How many lines of `deal` are run."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if frame.f_code is not deal.__code__:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        deal(labels, np.array([0.7, 0.15, 0.15]), np.random.RandomState(0))
    finally:
        sys.settrace(before)
    return count


def test_the_work_grows_with_the_labels_that_are_borne() -> None:
    """A count instead of a time; it grows neither with records × tags nor with the square of either."""

    def labels(num_records: int, num_tags: int) -> SparseLabels:
        drawn = np.random.default_rng(0)
        return SparseLabels.from_lists(
            (drawn.choice(num_tags, 3, replace=False).tolist() for _ in range(num_records)), num_tags
        )

    once, more_records, more_tags = (lines_run(labels(*shape)) for shape in ((2000, 100), (4000, 100), (2000, 200)))
    assert once > 3 * 2000
    assert more_records <= 2.2 * once
    assert more_tags <= 1.2 * once
