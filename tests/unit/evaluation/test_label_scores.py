from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as oracle

from tagnet.evaluation.label_scores import averaged, count, per_tag


def test_weighted_records_give_what_scikit_learn_gives() -> None:
    rng = np.random.default_rng(0)
    y_NK, accepted_NK = rng.random((40, 5)) < 0.4, rng.random((40, 5)) < 0.4
    weights_SN = rng.integers(0, 4, size=(3, 40)).astype(float)
    scores = averaged(count(y_NK, accepted_NK, weights_SN))
    for s, weights_N in enumerate(weights_SN):
        for average in ("micro", "macro", "weighted"):
            expected = oracle.precision_recall_fscore_support(
                y_NK, accepted_NK, average=average, sample_weight=weights_N, zero_division=0
            )
            assert scores[f"f1_{average}"][s] == pytest.approx(expected[2])
            assert scores[f"precision_{average}"][s] == pytest.approx(expected[0])
            assert scores[f"recall_{average}"][s] == pytest.approx(expected[1])


def test_a_tag_that_a_resample_lost_does_not_pull_its_macro_average_down() -> None:
    y_NK = np.array([[1, 0], [1, 1]])
    accepted_NK = y_NK > 0
    full = count(y_NK, accepted_NK)
    only_the_first = np.array([[2.0, 0.0]])
    lost = averaged(count(y_NK, accepted_NK, only_the_first), full)
    assert lost["f1_macro"][0] == lost["precision_macro"][0] == lost["recall_macro"][0] == 1


def test_a_tag_that_was_never_there_counts_as_nothing_everywhere() -> None:
    y_NK = np.array([[1, 0], [1, 0]])
    full = count(y_NK, y_NK > 0)
    resampled = averaged(count(y_NK, y_NK > 0, np.array([[2.0, 0.0]])), full)
    assert averaged(full)["f1_macro"][0] == resampled["f1_macro"][0] == 0.5


def test_one_tag_is_not_taken_for_two_classes() -> None:
    y_N1 = np.array([[1], [0], [0], [1]])
    accepted_N1 = np.array([[True], [True], [False], [False]])
    assert per_tag(count(y_N1, accepted_N1))["f1"].tolist() == [[0.5]]
    assert averaged(count(y_N1, accepted_N1))["f1_macro"].tolist() == [0.5]
