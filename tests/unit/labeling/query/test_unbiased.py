from __future__ import annotations

import numpy as np

from tagnet.labeling.query.choose import choose
from tagnet.labeling.query.pool import Pool
from tagnet.labeling.query.unbiased import unbiased_quality


def test_the_random_share_alone_tells_the_quality_of_the_pool() -> None:
    random = np.random.default_rng(0)
    probs_NK = random.beta(0.5, 1.5, size=(2000, 4))
    y_NK = (random.random((2000, 4)) < probs_NK).astype(np.uint8)
    thresholds_K = np.full(4, 0.4)
    everything = unbiased_quality(probs_NK, y_NK, thresholds_K, np.ones(2000, dtype=bool), samples=50)
    assert everything is not None
    true = everything.metrics["f1_micro"].value
    pool = Pool(probs_NK, thresholds_K, np.zeros(4))
    fair, biased, covered = [], [], 0
    for seed in range(20):
        chosen = choose("margin", pool, 300, seed=seed, random_share=0.5)
        rows = chosen.positions
        found = unbiased_quality(probs_NK[rows], y_NK[rows], thresholds_K, chosen.is_random, samples=200, seed=seed)
        naive = unbiased_quality(probs_NK[rows], y_NK[rows], thresholds_K, ~chosen.is_random, samples=50)
        assert found is not None
        assert naive is not None
        assert found.num_records == 150
        fair.append(found.metrics["f1_micro"].value)
        biased.append(naive.metrics["f1_micro"].value)
        covered += found.metrics["f1_micro"].low <= true <= found.metrics["f1_micro"].high
    assert abs(np.mean(fair) - true) < 0.015
    assert abs(np.mean(biased) - true) > 0.03
    assert covered >= 16


def test_a_handful_says_nothing() -> None:
    assert unbiased_quality(np.ones((5, 2)), np.ones((5, 2)), np.full(2, 0.5), np.ones(5, dtype=bool)) is None
