"""What holds for every baseline."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tagnet.baselines.run import BASELINES, run_baselines
from tagnet.config import EvaluationConfig, SharedPlattConfig, ShrunkThresholdsConfig
from tagnet.errors import ConfigError
from tagnet.evaluation.tables import MODEL_NAMES
from tagnet.records.taxonomy import build_taxonomy

every_baseline = pytest.mark.parametrize("name", list(BASELINES))

TAGS = ("always", "cat", "dog", "never")
TAXONOMY = build_taxonomy([{"tag": "cat", "aliases": ["kitten"], "parents": ["always"]}], "tags.json")
TEXTS = ["a cat", "a dog", "a cat and a dog", "", "a kitten", "dogs!"]
Y_NK = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0]], dtype=np.uint8)


def fitted_scores(name: str, texts: list[str], seed: int = 0) -> NDArray[np.float64]:
    baseline = BASELINES[name]()
    baseline.fit(TEXTS, Y_NK, TAGS, TAXONOMY, seed)
    return baseline.scores(texts)


@every_baseline
def test_scores_are_finite_also_for_tags_that_all_or_no_records_bear(name: str) -> None:
    scores_NK = fitted_scores(name, [*TEXTS, "something else", "ξένο"])
    assert scores_NK.shape == (8, 4)
    assert scores_NK.dtype == np.float64
    assert np.isfinite(scores_NK).all()


@every_baseline
def test_no_texts_give_no_scores(name: str) -> None:
    assert fitted_scores(name, []).shape == (0, 4)


@every_baseline
def test_fitting_again_gives_the_same_scores(name: str) -> None:
    np.testing.assert_array_equal(fitted_scores(name, TEXTS, seed=3), fitted_scores(name, TEXTS, seed=3))


@every_baseline
def test_a_text_is_scored_by_itself(name: str) -> None:
    together, alone = fitted_scores(name, TEXTS), [fitted_scores(name, [text])[0] for text in TEXTS]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


@every_baseline
def test_a_single_tag_is_enough(name: str) -> None:
    baseline = BASELINES[name]()
    baseline.fit(TEXTS, Y_NK[:, 1:2], TAGS[1:2], None, seed=0)
    assert baseline.scores(TEXTS).shape == (6, 1)


@every_baseline
def test_its_probabilities_are_probabilities(name: str) -> None:
    texts, y = {"train": TEXTS, "val": TEXTS, "test": TEXTS[:2]}, {"train": Y_NK, "val": Y_NK, "test": Y_NK[:2]}
    platt, shrunk = SharedPlattConfig("shared_platt", 10.0), ShrunkThresholdsConfig("shrunk", 10.0)
    result = run_baselines([name], TAXONOMY, texts, y, TAGS, platt, shrunk, seed=0)[name]
    for probs_NK in result.probs.values():
        assert (probs_NK >= 0).all()
        assert (probs_NK <= 1).all()
    assert result.accepted("test").shape == (2, 4)


def test_the_settings_and_the_reports_know_the_same_baselines() -> None:
    assert set(MODEL_NAMES) == set(BASELINES)
    with pytest.raises(ConfigError, match=f"expected some of {', '.join(BASELINES)}, found 'another'"):
        EvaluationConfig(100, 0.95, (1,), (*BASELINES, "another"), "warn")
