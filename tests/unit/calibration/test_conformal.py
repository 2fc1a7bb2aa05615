"""The promise of recall: that it is kept, what it costs, and when it is said to be void."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tagnet.calibration.conformal import broken_promise, conformal_recall_threshold, require_conformal_extra
from tagnet.config import ConformalRecallThresholdsConfig, GlobalThresholdConfig
from tagnet.errors import MissingExtraError

Array = NDArray[np.float64]
PROMISE = ConformalRecallThresholdsConfig("conformal_recall", 0.8)
START = datetime(2020, 1, 1)


def labelled(rng: np.random.Generator, records: int, tags: int = 6) -> tuple[Array, Array]:
    logits = rng.normal(-1, 1.5, (records, tags))
    probs = 1 / (1 + np.exp(-logits))
    return probs, (rng.random(probs.shape) < probs).astype(float)


def recall(probs: Array, y: Array, threshold: float) -> float:
    bearing = y.any(axis=1)
    return float((((probs >= threshold) * y).sum(1)[bearing] / y.sum(1)[bearing]).mean())


@pytest.mark.parametrize("asked", [0.6, 0.9])
def test_the_promise_is_kept_on_average_over_fresh_records_and_not_by_accepting_everything(asked: float) -> None:
    rng = np.random.default_rng(0)
    kept, thresholds = [], []
    for _ in range(12):
        probs, y = labelled(rng, 200)
        thresholds.append(conformal_recall_threshold(probs, y, asked))
        kept.append(recall(*labelled(rng, 2000), thresholds[-1]))
    assert asked - 0.015 <= np.mean(kept) <= asked + 0.03
    assert min(thresholds) > 0.02


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), records=st.integers(1, 60), asked=st.floats(0.05, 0.95))
def test_it_is_the_highest_candidate_whose_corrected_risk_is_below_what_is_allowed(
    seed: int, records: int, asked: float
) -> None:
    probs, y = labelled(np.random.default_rng(seed), records, 3)
    y[0, 0] = 1
    threshold = conformal_recall_threshold(probs, y, asked)
    n = int(y.any(axis=1).sum())

    def corrected_risk(candidate: float) -> float:
        return n / (n + 1) * (1 - recall(probs, y, candidate)) + 1 / (n + 1)

    if threshold > 0:
        assert corrected_risk(threshold) < 1 - asked + 1e-12
    higher = [p for p in np.unique(probs[y > 0]) if p > threshold]
    if higher and (y > 0).sum() <= 50:
        assert corrected_risk(higher[0]) >= 1 - asked - 1e-12


def test_records_without_tags_change_nothing() -> None:
    probs, y = labelled(np.random.default_rng(3), 100)
    more = np.concatenate([probs, np.full((50, 6), 0.99)]), np.concatenate([y, np.zeros((50, 6))])
    assert conformal_recall_threshold(*more, 0.8) == conformal_recall_threshold(probs, y, 0.8)


def test_too_few_records_accept_everything_and_say_so() -> None:
    probs, y = labelled(np.random.default_rng(1), 3)
    y[:] = [1, 0, 0, 0, 0, 0]
    assert conformal_recall_threshold(probs, y, 0.8) == 0.0
    said = broken_promise(PROMISE, y.astype(np.uint8), [None] * 3, [None] * 3)
    assert said is not None
    assert said.startswith("3 validation records with a tag cannot promise a recall of 0.8: every tag is accepted")
    assert said.endswith("at least 5 are needed")
    assert broken_promise(PROMISE, np.ones((5, 2), np.uint8), [None] * 5, [None] * 5) is None
    assert conformal_recall_threshold(np.full((5, 2), 0.7), np.ones((5, 2)), 0.8) == 0.7


def test_dates_that_differ_void_the_promise() -> None:
    y = np.ones((60, 2), np.uint8)
    days = [START + timedelta(days=i) for i in range(120)]
    assert broken_promise(PROMISE, y, days[::2], days[1::2]) is None
    said = broken_promise(PROMISE, y, days[:60], days[60:])
    assert said is not None
    assert "2020-01-01 to 2020-02-29 against 2020-03-01 to 2020-04-29" in said
    assert "thresholds.recall" in said


def test_without_dates_or_without_a_promise_nothing_is_said() -> None:
    y = np.ones((60, 2), np.uint8)
    days = [START + timedelta(days=i) for i in range(120)]
    assert broken_promise(PROMISE, y, [None] * 60, days[60:]) is None
    assert broken_promise(GlobalThresholdConfig("global"), y, days[:60], days[60:]) is None


def test_a_missing_library_is_named_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    require_conformal_extra(PROMISE)
    monkeypatch.setitem(sys.modules, "mapie", None)
    monkeypatch.setattr("tagnet.calibration.conformal.find_spec", lambda name: None)
    require_conformal_extra(GlobalThresholdConfig("global"))
    with pytest.raises(MissingExtraError, match=r"pip install 'tagnet\[conformal\]'"):
        require_conformal_extra(PROMISE)
