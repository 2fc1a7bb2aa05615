"""The embedded corpus keeps what is promised of it."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from tagnet.records.corpus import Corpus
from tagnet.records.sources import resolve_records, resolve_taxonomy
from tagnet.records.taxonomy import Taxonomy, load_taxonomy


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(resolve_records("embedded").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    return load_taxonomy(resolve_taxonomy("embedded"))


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """As the default settings prepare it."""
    from tagnet.cli.compose import train_config
    from tagnet.data.prepare import prepare

    return prepare(train_config("run.dir=nowhere")).corpus


def test_every_row_is_whole(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert list(row) == ["id", "created_on", "title", "description", "tags"]
        assert isinstance(row["id"], int)
        assert row["title"] == row["title"].strip() != ""
        assert row["description"] == row["description"].strip() != ""
        assert len(row["tags"]) == len(set(row["tags"])) >= 1
        datetime.fromisoformat(row["created_on"])
    assert len({row["id"] for row in rows}) == len(rows)


def test_titles_and_descriptions_are_unique(rows: list[dict[str, Any]]) -> None:
    for field in ("title", "description"):
        counts = Counter(row[field].casefold() for row in rows)
        assert [text for text, count in counts.items() if count > 1] == []


def test_the_taxonomy_is_clean_and_knows_every_tag(rows: list[dict[str, Any]], taxonomy: Taxonomy) -> None:
    assert taxonomy.warnings == ()
    used = {tag for row in rows for tag in row["tags"]}
    assert {tag for tag in used if taxonomy.resolve(tag) is None} == set()
    # Some authors write an alias, as real ones do.
    assert used - set(taxonomy.tags)


def test_it_is_large_and_uneven_enough(corpus: Corpus) -> None:
    counts_K = corpus.y_NK.sum(0)
    assert len(corpus.records) >= 480
    assert len(corpus.label_space.tags) >= 24
    assert 8 <= counts_K.min() <= 12
    assert counts_K.max() > 150
    # Multi-label in earnest, as the projects of the course are.
    assert corpus.y_NK.sum(1).mean() > 1.5


def test_nothing_of_it_is_lost_on_the_way(corpus: Corpus, rows: list[dict[str, Any]]) -> None:
    assert len(corpus.records) == len(rows)
    assert corpus.report.outside_taxonomy == {}
    assert corpus.report.warnings == ()
