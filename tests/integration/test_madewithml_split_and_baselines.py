"""Splits and baselines on the 2,032 projects of MadeWithML, beside what its course published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from tagnet.baselines.rules import RulesBaseline
from tagnet.baselines.run import run_baselines
from tagnet.config import IterativeSplitConfig, LabelsConfig, SharedPlattConfig, ShrunkThresholdsConfig
from tagnet.data.duplicates import duplicate_groups
from tagnet.data.split import Split, crossing_duplicates, make_split, naive_split, split_quality
from tagnet.records.corpus import Corpus, prepare_corpus
from tagnet.records.io import load_records
from tagnet.records.taxonomy import load_taxonomy

FEATURES = ("title", "description")
FRACTIONS = (0.7, 0.15, 0.15)
SIMILARITY = 0.8
TOO_BROAD = ("machine-learning", "deep-learning", "data-science", "neural-networks", "python", "r", "visualization")
BEST_PUBLISHED_QUALITY = 3.142
PUBLISHED_QUALITY_B = 3.264


@pytest.fixture(scope="module")
def protocols(shared_data: Path) -> dict[str, Corpus]:
    loaded = load_records(str(shared_data / "projects.json"), {}, "error", FEATURES)
    taxonomy = load_taxonomy(shared_data / "tags.json")
    excluded = {"A": TOO_BROAD, "B": (*TOO_BROAD, "wandb"), "C": (*TOO_BROAD, "wandb")}
    return {
        key: prepare_corpus(
            loaded, taxonomy, LabelsConfig(30, (), tags, "drop", add_parents=False, resolve_aliases=False)
        )
        for key, tags in excluded.items()
    }


def config(key: str | None) -> IterativeSplitConfig:
    return IterativeSplitConfig("madewithml" if key else None, key, 0.15, SIMILARITY, 0.15, "iterative")


def split_of(corpus: Corpus, texts: Sequence[str], config: IterativeSplitConfig, seed: int) -> tuple[Split, list[str]]:
    """`make_split` with the duplicates that `texts` show."""
    return make_split(corpus, duplicate_groups(texts, config.duplicate_similarity), config, seed)


# On the course's own ids, by its own measure. The figures that it printed, 3.142, 3.264 and 3.560, are of the draws in
# its lesson on splitting (1,000, 214 and 230 projects in A), not of those that its models were trained on.
@pytest.mark.parametrize(
    ("key", "sizes", "quality"),
    [("A", [1000, 227, 217], 3.1135), ("B", [1001, 218, 220], 3.2455), ("C", [1005, 216, 218], 3.8910)],
)
def test_published_splits_load_and_are_measured(
    protocols: dict[str, Corpus], key: str, sizes: list[int], quality: float
) -> None:
    corpus = protocols[key]
    split, warnings = split_of(corpus, corpus.texts(FEATURES), config(key), seed=0)
    assert [len(side) for side in split.sides().values()] == sizes
    assert warnings == []
    assert split_quality(corpus.y_NK, split) == pytest.approx(quality, abs=1e-4)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_our_split_is_better_than_the_published_one(protocols: dict[str, Corpus], seed: int) -> None:
    corpus = protocols["B"]
    texts = corpus.texts(FEATURES)
    split, warnings = split_of(corpus, texts, config(None), seed)
    assert warnings == []
    assert sum(len(side) for side in split.sides().values()) == 1439
    for fractions in (None, FRACTIONS, [len(side) / 1439 for side in split.sides().values()]):
        assert split_quality(corpus.y_NK, split, fractions) < 1.5 < BEST_PUBLISHED_QUALITY < PUBLISHED_QUALITY_B
    naive = naive_split(1439, FRACTIONS, seed)
    assert split_quality(corpus.y_NK, naive) > 7
    again, _ = split_of(corpus, texts, config(None), seed)
    assert [side.tolist() for side in again.sides().values()] == [side.tolist() for side in split.sides().values()]


def test_near_identical_projects_stay_together(protocols: dict[str, Corpus]) -> None:
    corpus = protocols["B"]
    texts = corpus.texts(FEATURES)
    loose = replace(config(None), duplicate_similarity=0.5)
    groups = duplicate_groups(texts, 0.5)
    ids = [str(record.id) for record in corpus.records]
    pairs = [[ids[i] for i in np.flatnonzero(groups == group)] for group in np.flatnonzero(np.bincount(groups) > 1)]
    assert pairs == [["198", "199"], ["254", "255"], ["1613", "1660"], ["2259", "2260"]]
    splits = [split_of(corpus, texts, loose, seed)[0] for seed in range(3)]
    assert [crossing_duplicates(groups, split) for split in splits] == [[], [], []]
    published, warnings = split_of(corpus, texts, replace(loose, file="madewithml", key="B"), seed=0)
    assert len(crossing_duplicates(groups, published)) == 2
    assert any("2 record(s) of validation or test have a near-identical one" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("key", "published"),
    [("B", (0.886542414851697, 0.430406852248394, 0.556927275918014)), ("C", (0.902, 0.416, 0.540))],
)
def test_rules_come_out_as_published(
    protocols: dict[str, Corpus], key: str, published: tuple[float, float, float]
) -> None:
    corpus = protocols[key]
    texts = corpus.texts(FEATURES)
    test = split_of(corpus, texts, config(key), seed=0)[0].test
    rules = RulesBaseline(inside_words=True)
    rules.fit([], corpus.y_NK, corpus.label_space.tags, corpus.taxonomy, seed=0)
    accepted_NK = rules.scores([texts[index] for index in test]) > 0
    scores = precision_recall_fscore_support(corpus.y_NK[test], accepted_NK, average="weighted", zero_division=0)[:3]
    assert scores == pytest.approx(published, abs=1e-14 if key == "B" else 5e-4)


def test_baselines_on_protocol_b_are_no_straw_men(protocols: dict[str, Corpus]) -> None:
    corpus = protocols["B"]
    all_texts = corpus.texts(FEATURES)
    split, _ = split_of(corpus, all_texts, config("B"), seed=0)
    texts = {name: [all_texts[index] for index in side] for name, side in split.sides().items()}
    y = {name: corpus.y_NK[side] for name, side in split.sides().items()}
    platt, shrunk = SharedPlattConfig("shared_platt", 10.0), ShrunkThresholdsConfig("shrunk", 10.0)
    names = ("prior", "rules", "tfidf_logreg", "tfidf_svm")
    results = run_baselines(names, corpus.taxonomy, texts, y, corpus.label_space.tags, platt, shrunk, seed=0)
    mean_ap = {name: average_precision_score(y["test"], result.probs["test"]) for name, result in results.items()}
    weighted_f1 = {
        name: precision_recall_fscore_support(y["test"], result.accepted("test"), average="weighted", zero_division=0)[
            2
        ]
        for name, result in results.items()
    }
    assert mean_ap["tfidf_logreg"] >= 0.72
    assert mean_ap["tfidf_svm"] >= 0.73
    assert mean_ap["prior"] < 0.1 < mean_ap["rules"] < mean_ap["tfidf_logreg"]
    assert weighted_f1["tfidf_logreg"] >= 0.68
    assert weighted_f1["rules"] == pytest.approx(0.596, abs=0.005)
