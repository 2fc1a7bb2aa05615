"""TF-IDF with linear models, tuned: what the default recipe has to beat. N records, K tags, F n-grams."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from tagnet.evaluation.average_precision import average_precisions

MODELS = ("logreg", "svm")
WEIGHTS = (None, "balanced")
_WORD = r"(?u)\b\w+(?:\+\+|#)?"


class Grid(NamedTuple):
    """What is tried, with both models, and with balanced class weights and without."""

    ngrams: tuple[tuple[int, int], ...] = ((1, 1), (1, 2))
    strengths: tuple[float, ...] = (0.1, 1.0, 10.0, 100.0)


class Tuned(NamedTuple):
    """The best of the grid by validation mAP."""

    choice: dict[str, Any]
    scores_NK: NDArray[np.float64]
    """Of all texts."""


def tuned_tfidf(
    texts: Sequence[str],
    y_NK: NDArray[np.uint8],
    train: NDArray[np.int64],
    val: NDArray[np.int64],
    test: NDArray[np.int64],
    grid: Grid,
) -> Tuned:
    """Fit every combination of the grid on train, and keep the one with the best mAP on validation."""
    best: Tuned | None = None
    best_map = -1.0
    for ngram in grid.ngrams:
        vectorizer = TfidfVectorizer(ngram_range=ngram, sublinear_tf=True, token_pattern=_WORD)
        vectorizer.fit([texts[i] for i in train])
        features_NF = vectorizer.transform(texts)
        for model, strength, weight in product(MODELS, grid.strengths, WEIGHTS):
            scores_NK = _scores(model, strength, weight, features_NF, y_NK, train, np.concatenate([val, test]))
            found = mean_average_precision(scores_NK[val], y_NK[val])
            if found > best_map:
                best_map = found
                choice = {"ngrams": list(ngram), "model": model, "C": strength, "class_weight": weight}
                best = Tuned(choice, scores_NK)
    assert best is not None
    return best


def mean_average_precision(scores_NK: NDArray[np.float64], y_NK: NDArray[np.uint8]) -> float:
    """The mean over tags that have a positive."""
    return float(np.nanmean(average_precisions(scores_NK, y_NK)))


def _scores(
    model: str,
    strength: float,
    weight: str | None,
    features_NF: Any,
    y_NK: NDArray[np.uint8],
    train: NDArray[np.int64],
    wanted: NDArray[np.int64],
) -> NDArray[np.float64]:
    scores_NK = np.zeros(y_NK.shape)
    for column in range(y_NK.shape[1]):
        y_train = y_NK[train, column]
        if not 0 < y_train.sum() < len(train):
            continue
        classifier: Any = (
            LogisticRegression(C=strength, class_weight=weight, solver="liblinear", max_iter=1000)
            if model == "logreg"
            else LinearSVC(C=strength, class_weight=weight, dual="auto", max_iter=10_000)
        )
        classifier.fit(features_NF[train], y_train)
        scores_NK[wanted, column] = classifier.decision_function(features_NF[wanted])
    return scores_NK
