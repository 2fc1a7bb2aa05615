"""What rankers say that the contract does not, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tagnet.errors import ConfigError
from tagnet.labeling.audit import RANKERS, check_kind, check_ranker, rank_cells


def suspicion(ranker: str, probs: Any, y: Any) -> list[list[float]]:
    y_NK = np.asarray(y, dtype=bool)
    found: list[list[float]] = RANKERS[ranker](np.asarray(probs, dtype=float), y_NK, np.ones_like(y_NK)).tolist()
    return found


def test_a_tag_that_is_hard_to_learn_has_to_be_more_suspect() -> None:
    probs = [[0.10, 0.10], [0.20, 0.90], [0.15, 0.95]]
    hard, easy = suspicion("normalized", probs, np.ones((3, 2)))[0]
    assert hard == pytest.approx(0.90 - 0.85)
    assert easy == pytest.approx(0.90 - 0.35)


def test_quantiles_are_shares_of_the_cells_with_the_other_label() -> None:
    probs, y = [[0.3], [0.2], [0.4], [0.9]], [[1], [0], [0], [1]]
    assert suspicion("quantile", probs, y) == [[0.5], [0.0], [0.5], [0.0]]


def test_a_scarce_tag_is_no_sign_of_an_error() -> None:
    y = np.zeros((100, 2), dtype=bool)
    y[0, 0], y[:50, 1] = True, True
    scarce, common = suspicion("lift", np.full((100, 2), 0.02), y)[0]
    assert scarce < common


def test_names_that_are_wrong() -> None:
    with pytest.raises(ConfigError, match="did you mean quantile"):
        check_ranker("quantiles")
    with pytest.raises(ConfigError, match="--kind: expected both, missing, spurious; found 'lost'"):
        check_kind("lost")


@pytest.mark.parametrize(
    ("probs", "y", "changes", "expected"),
    [
        ([[0.5]], [[1, 0]], {}, "of one shape"),
        ([0.5], [1], {}, "of one shape"),
        ([[0.5]], [[1]], {"known_NK": [[True, True]]}, "of one shape"),
        ([[1.5]], [[1]], {}, "numbers from 0 to 1"),
        ([[float("nan")]], [[1]], {}, "numbers from 0 to 1"),
        ([[0.5]], [[1]], {"budget": -1}, "budget"),
    ],
)
def test_what_cannot_be_ranked(probs: Any, y: Any, changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        rank_cells(probs, y, **changes)
