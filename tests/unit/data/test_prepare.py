"""From a source of records to a labelled, split corpus."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tagnet.cli.compose import train_config
from tagnet.data.prepare import compared_texts, prepare
from tagnet.records.record import Record

ROWS: list[dict[str, Any]] = [
    {
        "id": n,
        "title": f"Kit {n}",
        "description": f"words {n} of a text",
        "readme": f"much more {n % 3}",
        "tags": ["mine", "yours"][: 1 + n % 2],
    }
    for n in range(40)
]
TAXONOMY = [{"tag": "ours", "aliases": ["mine", "yours"], "parents": []}]


@pytest.fixture
def taxonomy(tmp_path: Path) -> Path:
    path = tmp_path / "tags.json"
    path.write_text(json.dumps(TAXONOMY))
    return path


@pytest.mark.parametrize("data", ["embedded", "madewithml"])
def test_records_at_hand_bring_no_taxonomy(data: str) -> None:
    prepared = prepare(train_config(f"data={data}", "labels.min_count=2"), ROWS)
    assert prepared.corpus.label_space.tags == ("mine", "yours")
    assert prepared.corpus.taxonomy is None
    assert (prepared.source, prepared.taxonomy_source) == ("the given records", None)


def test_records_at_hand_take_the_taxonomy_that_is_asked_for(taxonomy: Path) -> None:
    config = train_config("labels.min_count=2")
    named = train_config("labels.min_count=2", f"data.taxonomy={taxonomy}")
    for prepared in (prepare(config, ROWS, taxonomy=taxonomy), prepare(named, ROWS)):
        assert prepared.corpus.label_space.tags == ("ours",)
        assert prepared.taxonomy_source == str(taxonomy)


def test_the_taxonomy_of_the_same_name_can_be_asked_for() -> None:
    rows = [{**row, "tags": ["computer-vision"]} for row in ROWS]
    prepared = prepare(train_config(), [*rows, {**ROWS[0], "id": -1}], taxonomy="embedded")
    assert prepared.corpus.label_space.tags == ("computer-vision",)
    assert prepared.corpus.report.outside_taxonomy == {"mine": 1}


def test_a_source_by_name_keeps_its_taxonomy() -> None:
    prepared = prepare(train_config("labels.min_count=20"))
    assert (prepared.source, prepared.taxonomy_source) == ("embedded", "embedded")
    assert prepared.corpus.taxonomy is not None


def split_with(rows: Sequence[dict[str, Any]], features: str) -> dict[str, list[int]]:
    config = train_config("labels.min_count=2", f"data.features=[{features}]", "split.duplicate_similarity=0.6")
    return {side: index.tolist() for side, index in prepare(config, rows).split.sides().items()}


def test_one_feature_more_or_less_leaves_the_split_alone() -> None:
    same = "the very same opening words of this text"
    rows = [{**row, "description": f"{same} {n % 13}"} for n, row in enumerate(ROWS)]
    expected = split_with(rows, "title,description")
    for features in ("title", "description", "title,description,readme"):
        assert split_with(rows, features) == expected


def test_what_is_compared() -> None:
    records = [
        Record(1, {"title": "T", "description": "D", "readme": "R"}, (), None),
        Record(2, {"title": "", "readme": "R"}, (), None),
    ]
    assert compared_texts(records, ["title", "readme"]) == ["T D", "R"]
    assert compared_texts(records, ["readme"]) == ["R", "R"]
