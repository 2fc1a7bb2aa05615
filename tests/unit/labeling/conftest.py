"""Fixtures of the labelling loop's tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.labeling.labelled_rows import LabelledRows, read_labelled_rows
from tagnet.labeling.tasks import TaskBatch, make_batch
from tagnet.records.taxonomy import Taxonomy, build_taxonomy

ROWS = [
    {"id": 1, "created_on": "2020-02-17", "title": "Sets", "description": "A tour.", "tags": ["a", "b"], "stars": 3},
    {"id": "2", "created_on": None, "title": "Graphs", "description": "", "tags": ["b"], "stars": 1.5},
    {"id": 3, "created_on": "2020-02-19", "title": "Words", "description": "Für alle.", "tags": [], "stars": None},
]


@pytest.fixture
def records_file(tmp_path: Path) -> Path:
    path = tmp_path / "records.json"
    path.write_text(json.dumps(ROWS), encoding="utf-8")
    return path


@pytest.fixture
def records(records_file: Path) -> LabelledRows:
    return read_labelled_rows(str(records_file), {})


@pytest.fixture
def batch(records: LabelledRows) -> TaskBatch:
    features = ("title", "description")
    return make_batch(records.records(features), features)


@pytest.fixture
def taxonomy() -> Taxonomy:
    rows = [
        {"tag": "a", "aliases": ["aleph"], "parents": ["top"]},
        {"tag": "b", "aliases": [], "parents": []},
        {"tag": "top", "aliases": [], "parents": []},
    ]
    return build_taxonomy(rows, "tags.json")


@pytest.fixture
def write_rows(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, content: Any) -> Path:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return write
