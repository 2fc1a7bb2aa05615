from __future__ import annotations

import numpy as np
import pytest

from tagnet.evaluation import record_scores as module
from tagnet.evaluation.record_scores import record_scores


def test_blocks_of_records_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    probs_NK = rng.random((23, 4))
    y_NK = rng.random((23, 4)) < 0.3
    whole = record_scores(probs_NK, y_NK, probs_NK > 0.5, [1, 2])
    monkeypatch.setattr(module, "CELLS_AT_ONCE", 4 * 5)
    blocks = record_scores(probs_NK, y_NK, probs_NK > 0.5, [1, 2])
    for name, numerator_N in whole.numerators.items():
        np.testing.assert_array_equal(blocks.numerators[name], numerator_N)
    np.testing.assert_array_equal(blocks.residuals_NB, whole.residuals_NB)


def test_a_probability_of_one_is_in_the_last_bin() -> None:
    scores = record_scores(np.array([[1.0, 0.0]]), np.array([[0, 1]]), np.array([[True, False]]), [1])
    assert scores.residuals_NB[0, -1] == 1
    assert scores.residuals_NB[0, 0] == -1
