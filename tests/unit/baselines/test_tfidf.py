from __future__ import annotations

import numpy as np
import pytest

from tagnet.baselines import tfidf
from tagnet.baselines.tfidf import TfidfBaseline

NAMES = ("tfidf_logreg", "tfidf_svm")
TEXTS = ["R and C", "C++ only", "plain words", "c++ again", "R again", "more plain words"]
Y_NK = np.array([[1, 0], [0, 1], [0, 0], [0, 1], [1, 0], [0, 0]], dtype=np.uint8)  # R, C++


@pytest.mark.parametrize("name", NAMES)
def test_words_of_one_letter_are_learned(name: str) -> None:
    baseline = TfidfBaseline(name)
    baseline.fit(TEXTS, Y_NK, ["r", "c++"], None, seed=0)
    in_r, in_cpp, in_c = baseline.scores(["some R", "some C++", "some C"])
    assert in_r[0] > in_cpp[0]
    assert in_cpp[1] > in_r[1]
    assert in_cpp[1] > in_c[1]


@pytest.mark.parametrize("name", NAMES)
def test_pairs_of_words_are_learned(name: str) -> None:
    texts = ["not good", "good not"] * 10
    baseline = TfidfBaseline(name)
    baseline.fit(texts, np.array([[1], [0]] * 10, dtype=np.uint8), ["a"], None, seed=0)
    scores_NK = baseline.scores(["not good", "good not"])
    assert scores_NK[0, 0] > 0 > scores_NK[1, 0]


@pytest.mark.parametrize("name", NAMES)
def test_scarce_tags_are_balanced(name: str) -> None:
    texts = ["rare find"] * 2 + ["common thing"] * 98
    y_NK = (np.arange(100) < 2)[:, None].astype(np.uint8)
    baseline = TfidfBaseline(name)
    baseline.fit(texts, y_NK, ["a"], None, seed=0)
    assert baseline.scores(["rare find"])[0, 0] > 0


@pytest.mark.parametrize("name", NAMES)
def test_without_any_word_the_prior_is_all_there_is(name: str) -> None:
    baseline = TfidfBaseline(name)
    baseline.fit(["!!", "", "…"], np.array([[1], [0], [0]], dtype=np.uint8), ["a"], None, seed=0)
    assert baseline.scores(["some words", ""]) == pytest.approx(np.full((2, 1), np.log(1.5 / 2.5)))


def test_the_vocabulary_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfidf, "_MOST_WEIGHTS", 8)
    baseline = TfidfBaseline("tfidf_logreg")
    baseline.fit(TEXTS, Y_NK, ["r", "c++"], None, seed=0)
    assert baseline._weights_KF is not None
    assert baseline._weights_KF.shape == (2, 4)


def test_there_are_two() -> None:
    with pytest.raises(ValueError, match="tfidf_logreg or tfidf_svm, found 'tfidf'"):
        TfidfBaseline("tfidf")
