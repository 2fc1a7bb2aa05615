from __future__ import annotations

import numpy as np
import pytest

from tagnet.evaluation.collapse import collapse_reason

RATES_K = np.array([0.3, 0.1, 0.05])
VARIED_NK = np.random.default_rng(0).random((100, 3))
MANY_NK = np.random.default_rng(1).random((1000, 3))
CONSTANT_NK = np.tile(RATES_K, (100, 1)) + 1e-4 * np.random.default_rng(2).normal(size=(100, 3))


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that do not depend on which tests ran before."""
    return np.random.default_rng(3)


@pytest.mark.parametrize(
    ("probs_NK", "accepted_NK", "said"),
    [
        (VARIED_NK, np.zeros((100, 3), dtype=bool), "nothing"),
        (MANY_NK, MANY_NK > 0.999, "almost nothing"),
        (VARIED_NK, np.ones((100, 3), dtype=bool), "everything"),
        (CONSTANT_NK, CONSTANT_NK > RATES_K, "base rate"),
        (VARIED_NK, np.tile([True, False, False], (100, 1)), "the same 1 of the 3 tags"),
    ],
)
def test_each_way_to_give_up_is_named(probs_NK: np.ndarray, accepted_NK: np.ndarray, said: str) -> None:
    reason = collapse_reason(probs_NK, accepted_NK, RATES_K)
    assert reason is not None
    assert said in reason
    assert "\n" not in reason


def test_a_model_that_works_is_left_alone(rng: np.random.Generator) -> None:
    y_NK = rng.random((100, 3)) < RATES_K
    probs_NK = np.where(y_NK, 0.8, 0.1)
    assert collapse_reason(probs_NK, probs_NK > 0.5, RATES_K) is None


def test_a_weak_model_is_not_called_collapsed(rng: np.random.Generator) -> None:
    y_NK = rng.random((500, 3)) < RATES_K
    probs_NK = np.clip(RATES_K + 0.1 * RATES_K * (y_NK - RATES_K) + 0.05 * rng.normal(size=(500, 3)), 0, 1)
    assert collapse_reason(probs_NK, probs_NK > 1.2 * RATES_K, RATES_K) is None


def test_few_records_are_not_judged() -> None:
    assert collapse_reason(VARIED_NK[:5], np.zeros((5, 3), dtype=bool), RATES_K) is None


def test_a_tag_that_nearly_all_records_bear_may_always_be_given(rng: np.random.Generator) -> None:
    probs_N1 = 0.9 + 0.1 * rng.random((100, 1))
    assert collapse_reason(probs_N1, np.ones((100, 1), dtype=bool), np.array([0.97])) is None
