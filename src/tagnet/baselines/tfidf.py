"""TF-IDF of words and word pairs, and one linear classifier for each tag. N records, K tags, F n-grams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from tagnet.baselines.prior import smoothed_log_odds
from tagnet.records.taxonomy import Taxonomy

# One-letter words count: R and C are languages. So do the endings of C++ and C#.
_WORD = r"(?u)\b\w+(?:\+\+|#)?"
# The most weights, K·F, that are kept (unit: numbers of 8 bytes); beyond it the rarest n-grams are left out.
_MOST_WEIGHTS = 100_000_000


class TfidfBaseline:
    """One-vs-rest linear classifiers with balanced class weights on sublinear TF-IDF of word 1- and 2-grams."""

    decides = False

    def __init__(self, name: str) -> None:
        """Choose `tfidf_logreg` (logistic regression: log-odds) or `tfidf_svm` (linear SVM: margins)."""
        if name not in ("tfidf_logreg", "tfidf_svm"):
            raise ValueError(f"name: expected tfidf_logreg or tfidf_svm, found {name!r}")
        self.name = name

    def _classifier(self, seed: int) -> Any:
        if self.name == "tfidf_logreg":
            # liblinear: the same scores as lbfgs here, ten times as fast on so many features.
            return LogisticRegression(class_weight="balanced", solver="liblinear", max_iter=1000, random_state=seed)
        return LinearSVC(class_weight="balanced", dual="auto", max_iter=10_000, random_state=seed)

    def fit(
        self,
        texts: Sequence[str],
        y_NK: NDArray[np.uint8],
        tags: Sequence[str],
        taxonomy: Taxonomy | None,
        seed: int,
    ) -> None:
        """Learn the vocabulary and the weights.

        A tag that no training record bears, or all do, gets the log-odds of the prior whatever the text.
        """
        most = max(1, _MOST_WEIGHTS // len(tags))
        self._vectorizer = TfidfVectorizer(
            ngram_range=(1, 2), sublinear_tf=True, token_pattern=_WORD, max_features=most
        )
        self._offsets_K = smoothed_log_odds(y_NK)
        self._weights_KF: NDArray[np.float64] | None = None
        analyze = self._vectorizer.build_analyzer()
        if not any(analyze(text) for text in texts):
            return  # no words at all, which the vectorizer refuses: the prior is all there is
        features_NF = self._vectorizer.fit_transform(texts)
        self._weights_KF = np.zeros((len(tags), features_NF.shape[1]))
        positives_K = y_NK.sum(axis=0, dtype=np.int64)
        for column in np.flatnonzero((positives_K > 0) & (positives_K < len(y_NK))):
            classifier = self._classifier(seed).fit(features_NF, y_NK[:, column])
            self._weights_KF[column] = classifier.coef_[0]
            self._offsets_K[column] = classifier.intercept_[0]

    def scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Log-odds or margins: (N, K)."""
        if self._weights_KF is None or not texts:
            return np.tile(self._offsets_K, (len(texts), 1))
        features_NF = self._vectorizer.transform(texts)
        return np.asarray(features_NF @ self._weights_KF.T + self._offsets_K, dtype=np.float64)
