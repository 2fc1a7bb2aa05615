"""Drift: silence where nothing changed, a word where something did."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagnet.evaluation.drift import Sample, drift_report, holm

WORDS = [f"word{n}" for n in range(200)]


def sample(seed: int, number: int = 200, first: int = 0, confidence: float = 5.0) -> Sample:
    """Texts of words drawn from a hundred, from the `first` on; beta probabilities."""
    rng = np.random.default_rng(seed)
    texts = tuple(" ".join(rng.choice(WORDS[first : first + 100], 12)) for _ in range(number))
    probs = rng.beta(confidence, 2.0, (number, 3))
    return Sample(texts, probs, (rng.random(probs.shape) < probs).astype(np.uint8))


def test_nothing_is_seen_where_nothing_changed() -> None:
    alarms = 0
    for seed in range(10):
        old, new = sample(seed), sample(seed + 100)
        alarms += drift_report(old, new, tags=("a", "b", "c"), training_texts=old.texts, seed=seed).label_again
    assert alarms <= 2


def test_other_words_are_seen_and_named() -> None:
    old = sample(0)
    report = drift_report(old, sample(1, first=60), training_texts=old.texts, level=0.01)
    assert {"texts", "vocabulary"} <= {test.view for test in report.drifted}
    assert report.label_again
    vocabulary = next(test for test in report.tests if test.view == "vocabulary")
    assert vocabulary.new > vocabulary.reference
    assert all(int(word[4:]) >= 100 for word in vocabulary.examples)
    assert all(0 <= test.distance <= 1 for test in report.tests)


def test_lost_confidence_and_other_tags_are_seen() -> None:
    report = drift_report(sample(0), sample(1, confidence=1.0), tags=("a", "b", "c"))
    assert {"confidence", "suggested tags", "tags"} <= {test.view for test in report.drifted}
    assert not any(test.view == "texts" for test in report.drifted)


def test_gained_confidence_is_no_alarm() -> None:
    report = drift_report(Sample(sample(0).texts, sample(0, confidence=1.0).probs_NK), sample(1))
    assert "confidence" not in {test.view for test in report.drifted}


def test_lengths_alone_are_no_reason_to_label() -> None:
    old = sample(0)
    halved = Sample(tuple(" ".join(text.split()[:6]) for text in sample(1).texts))
    report = drift_report(Sample(old.texts), halved)
    assert "lengths" in {test.view for test in report.drifted}
    assert report.label_again == ("texts" in {test.view for test in report.drifted})


def test_the_same_seed_says_the_same() -> None:
    first, second = (drift_report(sample(0), sample(1), seed=3) for _ in range(2))
    assert first == second or [t.p for t in first.tests] == [t.p for t in second.tests]


def test_texts_without_a_word_are_not_told_apart() -> None:
    report = drift_report(Sample(("!", "?", "…")), Sample((".", ";", ":")))
    assert not report.label_again


def test_one_record_is_too_few() -> None:
    with pytest.raises(ValueError, match="expected two records and more, found 200 and 1"):
        drift_report(sample(0), sample(1, number=1))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_and_keeps_the_order(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(c >= p - 1e-9 and c <= 1 for p, c in zip(p_values, corrected, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(np.array(corrected)[order]) >= -1e-12)
