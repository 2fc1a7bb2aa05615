from __future__ import annotations

import numpy as np
import pytest

from tagnet.baselines.rules import RulesBaseline
from tagnet.records.taxonomy import Taxonomy, build_taxonomy

TAGS = ("c", "c++", "computer-vision", "natural-language-processing", "question-answering", "reinforcement-learning")
ROWS = [
    {"tag": "natural-language-processing", "aliases": ["nlp", "nlproc"], "parents": ["machine-learning"]},
    {"tag": "question-answering", "aliases": ["qa"], "parents": ["reading"]},
    {"tag": "reading", "aliases": [], "parents": ["nlp"]},
    {"tag": "reinforcement-learning", "aliases": ["rl", "--"], "parents": []},
    {"tag": "machine-learning", "aliases": [], "parents": []},
]


def found(text: str, taxonomy: Taxonomy | None = None, inside_words: bool = False) -> set[str]:
    baseline = RulesBaseline(inside_words)
    baseline.fit([], np.zeros((0, len(TAGS)), dtype=np.uint8), TAGS, taxonomy, seed=0)
    scores_K = baseline.scores([text])[0]
    assert set(scores_K) <= {-1.0, 1.0}
    return {tag for tag, score in zip(TAGS, scores_K, strict=True) if score > 0}


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("Computer vision, for all", {"computer-vision"}),
        ("COMPUTER-VISION", {"computer-vision"}),
        ("computer\n_vision_", {"computer-vision"}),
        ("a computer with vision", set()),
        ("supercomputer visionary", set()),
        ("In C++, not in Java.", {"c++"}),
        ("(C)", {"c"}),
        ("", set()),
    ],
)
def test_names_are_whole_words_in_any_case(text: str, tags: set[str]) -> None:
    assert found(text) == tags


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("NLP: a tour", {"natural-language-processing"}),
        ("RL-based play", {"reinforcement-learning"}),
        ("around the world", set()),
        ("-- dashes -- and more", set()),
        ("QA", {"question-answering", "natural-language-processing"}),
        ("two QAs", {"question-answering", "natural-language-processing"}),
        ("Reading on", {"natural-language-processing"}),
        ("machine learning", set()),
    ],
)
def test_aliases_count_and_bring_the_tags_above(text: str, tags: set[str]) -> None:
    assert found(text, build_taxonomy(ROWS, "tags.json")) == tags


def test_inside_words_the_course_finds_more() -> None:
    taxonomy = build_taxonomy(ROWS, "tags.json")
    assert found("world", taxonomy, inside_words=True) == {"reinforcement-learning"}
    assert found("reading", taxonomy, inside_words=True) == set()


def test_an_alias_is_not_known_without_the_taxonomy() -> None:
    assert found("nlp") == set()
