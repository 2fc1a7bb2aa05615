"""Metrics from sparse labels are those of the matrices, however the blocks are cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagnet.evaluation.average_precision import average_precisions
from tagnet.evaluation.metrics import overall_metrics
from tagnet.evaluation.sparse_metrics import sparse_average_precisions, sparse_metrics
from tagnet.records.sparse_labels import SparseLabels


@settings(max_examples=120, deadline=None)
@given(
    num_records=st.integers(1, 12),
    num_tags=st.integers(1, 9),
    levels=st.sampled_from([3, 16, 10**6]),
    cells_at_once=st.sampled_from([1, 7, 10**6]),
    seed=st.integers(0, 10**6),
)
def test_every_metric_is_that_of_the_matrices(
    num_records: int, num_tags: int, levels: int, cells_at_once: int, seed: int
) -> None:
    drawn = np.random.default_rng(seed)
    # Few levels: many ties, bounds of bins, and probabilities of 0 and 1.
    probs_NK = drawn.integers(0, levels + 1, (num_records, num_tags)) / levels
    y_NK = (drawn.random((num_records, num_tags)) < 0.4 * drawn.random(num_tags)).astype(np.uint8)
    thresholds_K = drawn.random(num_tags)
    labels, at_k = SparseLabels.from_dense(y_NK), [1, 3]
    expected = overall_metrics(probs_NK, y_NK, probs_NK >= thresholds_K, at_k)
    found = sparse_metrics(lambda records, tags: probs_NK[records, tags], labels, thresholds_K, at_k, cells_at_once)
    assert found.keys() == expected.keys() - {"map_micro"}
    assert found == pytest.approx({name: expected[name] for name in found}, abs=1e-9)
    by_tag = sparse_average_precisions(lambda records, tags: probs_NK[records, tags], labels, cells_at_once)
    np.testing.assert_allclose(by_tag, average_precisions(probs_NK, y_NK), atol=1e-12)


def test_no_block_is_larger_than_it_may_be() -> None:
    asked: list[int] = []

    def probabilities_of(records: slice, tags: slice) -> np.ndarray:
        shape = (records.stop - records.start, tags.stop - tags.start)
        asked.append(shape[0] * shape[1])
        return np.full(shape, 0.25)

    labels = SparseLabels.from_lists([[n % 300] for n in range(500)], 300)
    sparse_metrics(probabilities_of, labels, np.full(300, 0.5), [5], cells_at_once=6000)
    assert max(asked) <= 6000
    assert sum(asked) == 2 * 500 * 300
