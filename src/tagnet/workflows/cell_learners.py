"""Fast learners that judge cells: what speaks for a tag, of a record's text and of its other tags.

A learner sees the labels of the records that it learns from. Of the records that it judges it sees, for each tag, the
labels of all other tags, never that of the cell itself.

Shapes: N records, K tags, L records to learn from, J to judge, H embedding width, V words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression

from tagnet.baselines.prior import smoothed_log_odds

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

# One-letter words count: R and C are languages. So do the endings of C++ and C#.
_WORD = r"(?u)\b\w+(?:\+\+|#)?"
TAG_SIZE = 0.3
"""How much another tag weighs beside the words of a text, whose vector has length 1."""
SHRINKAGE = 0.8
"""Of the covariance of embeddings toward a multiple of the identity."""


class CellLearner(Protocol):
    """Learns from some records of a corpus, and judges others."""

    @property
    def name(self) -> str:
        """What the command line calls it."""
        ...

    def logits(self, learn: Rows, judge: Rows, y_NK: NDArray[np.uint8], seed: int) -> Floats:
        """Log-odds of each tag, (J, K), for the records to judge.

        Args:
            learn: (L,), the records whose labels are learned from.
            judge: (J,), none of them among these.
            y_NK: the labels of all records.
            seed: of whatever is random.
        """
        ...


class WordsAndTags:
    """Logistic regression of each tag on TF-IDF of the words and on the record's other tags."""

    name = "tfidf"

    def __init__(self, texts: Sequence[str], tag_size: float = TAG_SIZE) -> None:
        """Count the words of N texts.

        Args:
            texts: N texts.
            tag_size: how much another tag weighs beside a text of length 1; 0 leaves the other tags out.
        """
        vectorizer = CountVectorizer(token_pattern=_WORD)
        analyze = vectorizer.build_analyzer()
        # Without any word the vectorizer refuses, and the other tags are all there is.
        self._counts_NV: Any = csr_matrix((len(texts), 0))
        if any(analyze(text) for text in texts):
            self._counts_NV = vectorizer.fit_transform(texts)
        self._tag_size = tag_size

    def logits(self, learn: Rows, judge: Rows, y_NK: NDArray[np.uint8], seed: int) -> Floats:
        """See `CellLearner`; a tag that none or all of the records to learn from bear gets the prior's log-odds."""
        texts = self._tfidf(learn, judge)
        tags_NK = csr_matrix(y_NK * self._tag_size).tocsc()
        positives_K = y_NK[learn].sum(0, dtype=np.int64)
        found_JK = np.tile(smoothed_log_odds(y_NK[learn]), (len(judge), 1))
        for k in np.flatnonzero((positives_K > 0) & (positives_K < len(learn))):
            others = np.delete(np.arange(y_NK.shape[1]), k) if self._tag_size else np.arange(0)
            learned, judged = (
                hstack([text, tags_NK[:, others][rows]]).tocsr()
                for text, rows in zip(texts, (learn, judge), strict=True)
            )
            if learned.shape[1] == 0:
                continue
            model = LogisticRegression(solver="liblinear", max_iter=1000, random_state=seed)
            found_JK[:, k] = model.fit(learned, y_NK[learn, k]).decision_function(judged)
        return found_JK

    def _tfidf(self, learn: Rows, judge: Rows) -> tuple[Any, Any]:
        if self._counts_NV.shape[1] == 0:
            return self._counts_NV[learn], self._counts_NV[judge]
        transformer = TfidfTransformer(sublinear_tf=True).fit(self._counts_NV[learn])
        return transformer.transform(self._counts_NV[learn]), transformer.transform(self._counts_NV[judge])


@dataclass(frozen=True, eq=False)
class EmbeddingDiscriminant:
    """Linear discriminant analysis of each tag on embeddings of length 1, one covariance for all tags.

    Fisher's discriminant with a covariance that is shrunk toward a multiple of the identity (Friedman, JASA 1989,
    section 2.2); it has a closed form, so that hundreds of tags take one solution of H equations.
    """

    embeddings_NH: NDArray[np.floating]
    shrinkage: float = SHRINKAGE
    name: str = "embeddings"

    def logits(self, learn: Rows, judge: Rows, y_NK: NDArray[np.uint8], seed: int) -> Floats:
        """See `CellLearner`."""
        lengths_N1 = np.linalg.norm(self.embeddings_NH, axis=1, keepdims=True)
        units_NH = np.asarray(self.embeddings_NH, dtype=np.float64) / np.maximum(lengths_N1, 1e-12)
        learned_LH, y_LK = units_NH[learn], y_NK[learn].astype(np.float64)
        mean_H, counts_K = learned_LH.mean(0), y_LK.sum(0)
        centred_LH = learned_LH - mean_H
        covariance_HH = centred_LH.T @ centred_LH / len(learn)
        spread = float(np.trace(covariance_HH)) / len(mean_H) or 1.0
        covariance_HH = (1 - self.shrinkage) * covariance_HH + self.shrinkage * spread * np.eye(len(mean_H))
        sums_KH = y_LK.T @ centred_LH
        # The centred embeddings add up to 0: what those with the tag add up to, those without it lack.
        with_KH = sums_KH / np.maximum(counts_K, 1)[:, None]
        without_KH = -sums_KH / np.maximum(len(learn) - counts_K, 1)[:, None]
        weights_HK = np.linalg.solve(covariance_HH, (with_KH - without_KH).T)
        middles_K = ((with_KH + without_KH) / 2 * weights_HK.T).sum(1)
        found: Floats = (units_NH[judge] - mean_H) @ weights_HK - middles_K + smoothed_log_odds(y_NK[learn])
        return found
