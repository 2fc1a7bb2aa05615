from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as oracle
from hypothesis import given
from hypothesis import strategies as st

from tagnet.evaluation.average_precision import SortedScores, average_precisions


@given(seed=st.integers(0, 10_000), digits=st.sampled_from([1, 6]), N=st.integers(2, 30))
def test_weighted_average_precision_is_that_of_scikit_learn(seed: int, digits: int, N: int) -> None:
    rng = np.random.default_rng(seed)
    y_N, scores_N = rng.random(N) < 0.4, rng.random(N).round(digits)  # one digit: many ties
    weights_SN = np.stack([np.bincount(rng.integers(N, size=N), minlength=N) for _ in range(4)])
    found_S = SortedScores.of(scores_N, y_N, np.arange(N)).average_precision(weights_SN.T.astype(np.float32))
    for found, weights_N in zip(found_S, weights_SN, strict=True):
        if (weights_N * y_N).sum() == 0:
            assert np.isnan(found)
        else:
            assert found == pytest.approx(oracle.average_precision_score(y_N, scores_N, sample_weight=weights_N))


def test_millions_of_cells_are_counted_exactly() -> None:
    weights_N1 = np.ones((1002, 1), dtype=np.float32)
    weights_N1[0] = 2**24  # where float32 stops at adding one
    positive_N = np.arange(1002) == 1001
    tag = SortedScores.of(-np.arange(1002.0), positive_N, np.arange(1002))
    assert tag.average_precision(weights_N1) == pytest.approx([1 / (2**24 + 1001)], rel=1e-12)


def test_each_tag_by_itself() -> None:
    rng = np.random.default_rng(0)
    probs_NK, y_NK = rng.random((50, 4)).round(2), rng.random((50, 4)) < 0.2
    y_NK[:, 1] = False
    found_K = average_precisions(probs_NK, y_NK)
    assert np.isnan(found_K[1])
    for k in (0, 2, 3):
        assert found_K[k] == pytest.approx(oracle.average_precision_score(y_NK[:, k], probs_NK[:, k]))
