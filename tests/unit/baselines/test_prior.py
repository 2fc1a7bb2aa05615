from __future__ import annotations

import numpy as np
import pytest

from tagnet.baselines.prior import PriorBaseline


def test_scores_are_the_log_odds_of_the_training_frequency() -> None:
    y_NK = (np.arange(1000)[:, None] < [250, 500]).astype(np.uint8)
    baseline = PriorBaseline()
    baseline.fit(["text"] * 1000, y_NK, ["a", "b"], None, seed=0)
    scores_NK = baseline.scores(["one", "", "three"])
    assert scores_NK.shape == (3, 2)
    assert 1 / (1 + np.exp(-scores_NK)) == pytest.approx(np.tile([0.25, 0.5], (3, 1)), abs=1e-3)
