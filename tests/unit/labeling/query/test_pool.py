from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tagnet.labeling.query.pool import Pool

GOOD: dict[str, Any] = {
    "probs_NK": np.full((3, 2), 0.5),
    "thresholds_K": np.full(2, 0.5),
    "counts_K": np.array([1, 0]),
    "embeddings_ND": np.ones((3, 4)),
    "labelled_embeddings_MD": np.ones((5, 4)),
    "members_ENK": np.full((2, 3, 2), 0.5),
    "known_NK": np.zeros((3, 2), dtype=bool),
}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("probs_NK", np.ones(3), r"probs_NK: expected the shape \(N, K\), found \(3,\)"),
        ("probs_NK", np.ones((3, 0)), "probs_NK: expected at least one tag, found none"),
        ("probs_NK", np.full((3, 2), 1.5), r"probs_NK: expected probabilities in \[0, 1\]"),
        ("probs_NK", np.full((3, 2), np.nan), r"probs_NK: expected probabilities in \[0, 1\]"),
        ("thresholds_K", np.ones(3), r"thresholds_K: expected the shape \(2,\), found \(3,\)"),
        ("thresholds_K", np.full(2, np.inf), "thresholds_K: expected finite numbers"),
        ("counts_K", np.array([1, -1]), "counts_K: expected at least 0 records of each tag, found -1"),
        ("embeddings_ND", np.ones((2, 4)), r"embeddings_ND: expected the shape \(3, D\), found \(2, 4\)"),
        ("embeddings_ND", np.full((3, 4), np.nan), "embeddings_ND: expected finite numbers"),
        ("labelled_embeddings_MD", np.ones((5, 3)), r"labelled_embeddings_MD: expected the shape \(M, 4\)"),
        ("members_ENK", np.ones((2, 2, 2)), r"members_ENK: expected the shape \(E, 3, 2\), found \(2, 2, 2\)"),
        ("members_ENK", np.full((2, 3, 2), -1.0), r"members_ENK: expected probabilities in \[0, 1\]"),
        ("known_NK", np.zeros((3, 2)), "known_NK: expected a mask of booleans, found float64"),
    ],
)
def test_what_does_not_fit_is_named(field: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Pool(**{**GOOD, field: value})


def test_taking_rows_takes_them_everywhere() -> None:
    random = np.random.default_rng(0)
    pool = Pool(**{**GOOD, "probs_NK": random.random((3, 2)), "members_ENK": random.random((2, 3, 2))})
    taken = pool.take(np.array([2, 0]))
    assert taken.num_records == 2
    np.testing.assert_array_equal(taken.probs_NK, pool.probs_NK[[2, 0]])
    assert taken.members_ENK is not None
    assert pool.members_ENK is not None
    np.testing.assert_array_equal(taken.members_ENK, pool.members_ENK[:, [2, 0]])
    assert taken.labelled_embeddings_MD is pool.labelled_embeddings_MD
