"""Learners of cells: what they find, and what they must not see."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from tagnet.workflows.cell_learners import CellLearner, EmbeddingDiscriminant, WordsAndTags

WORDS = ("graph", "image", "speech")


def corpus(seed: int = 0) -> tuple[list[str], NDArray[np.float64], NDArray[np.uint8]]:
    """60 texts that name their tags, and embeddings that know them; a fourth tag comes with the first."""
    rng = np.random.default_rng(seed)
    y_NK = (rng.random((60, 4)) < 0.4).astype(np.uint8)
    y_NK[:, 3] = y_NK[:, 0]
    texts = [" ".join(["a", "of", *(WORDS[k] for k in range(3) if y[k])]) for y in y_NK]
    return texts, y_NK @ rng.normal(size=(4, 8)) + 0.3 * rng.normal(size=(60, 8)), y_NK


MAKERS: dict[str, Callable[[list[str], NDArray[np.float64]], CellLearner]] = {
    "tfidf": lambda texts, _: WordsAndTags(texts),
    "no other tags": lambda texts, _: WordsAndTags(texts, 0.0),
    "embeddings": lambda _, embeddings: EmbeddingDiscriminant(embeddings),
}
LEARN, JUDGE = np.arange(40), np.arange(40, 60)


@pytest.mark.parametrize("name", MAKERS)
def test_tags_are_told_apart(name: str) -> None:
    texts, embeddings, y_NK = corpus()
    logits_JK = MAKERS[name](texts, embeddings).logits(LEARN, JUDGE, y_NK, 0)
    assert logits_JK.shape == (20, 4)
    for k in range(3):
        with_tag, without = (logits_JK[y_NK[JUDGE, k] == label, k] for label in (1, 0))
        assert np.median(with_tag) > without.max() - 1
        assert with_tag.mean() > without.mean() + 0.5


@pytest.mark.parametrize("name", MAKERS)
def test_the_judged_label_is_not_looked_at(name: str) -> None:
    texts, embeddings, y_NK = corpus()
    learner = MAKERS[name](texts, embeddings)
    before_JK = learner.logits(LEARN, JUDGE, y_NK, 0)
    for k in range(4):
        other = y_NK.copy()
        other[JUDGE, k] = 1 - other[JUDGE, k]
        np.testing.assert_array_equal(learner.logits(LEARN, JUDGE, other, 0)[:, k], before_JK[:, k])


def test_other_tags_speak_for_one_that_texts_do_not_name() -> None:
    texts, _, y_NK = corpus()
    silent = ["nothing"] * len(texts)
    with_tags, without = (WordsAndTags(silent, size).logits(LEARN, JUDGE, y_NK, 0)[:, 3] for size in (0.3, 0.0))
    assert with_tags[y_NK[JUDGE, 3] == 1].min() > with_tags[y_NK[JUDGE, 3] == 0].max()
    assert np.ptp(without) == 0


@pytest.mark.parametrize("name", MAKERS)
def test_tags_that_none_or_all_bear_get_their_prior(name: str) -> None:
    texts, embeddings, y_NK = corpus()
    y_NK[:, 1], y_NK[:, 2] = 0, 1
    logits_JK = MAKERS[name](texts, embeddings).logits(LEARN, JUDGE, y_NK, 0)
    np.testing.assert_allclose(logits_JK[:, 1], np.log(0.5 / 40.5), atol=1e-9)
    np.testing.assert_allclose(logits_JK[:, 2], np.log(40.5 / 0.5), atol=1e-9)


@pytest.mark.parametrize("texts", [[""] * 60, ["same words"] * 60])
def test_texts_that_say_nothing(texts: list[str]) -> None:
    _, _, y_NK = corpus()
    assert np.isfinite(WordsAndTags(texts).logits(LEARN, JUDGE, y_NK, 0)).all()
    one_tag = WordsAndTags(texts).logits(LEARN, JUDGE, y_NK[:, :1], 0)
    assert np.isfinite(one_tag).all()
    assert np.ptp(one_tag) == 0


def test_the_discriminant_is_the_one_of_scikit_learn_for_a_single_tag() -> None:
    """With the class means taken out, which our one covariance for all tags does not do, both separate alike."""
    rng = np.random.default_rng(0)
    y_N1 = (rng.random((400, 1)) < 0.5).astype(np.uint8)
    embeddings = rng.normal(size=(400, 5)) + 0.4 * y_N1
    ours_J = EmbeddingDiscriminant(embeddings, 0.0).logits(np.arange(300), np.arange(300, 400), y_N1, 0)[:, 0]
    units = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(units[:300], y_N1[:300, 0]).decision_function(units[300:])
    assert np.corrcoef(ours_J, theirs)[0, 1] > 0.9999
