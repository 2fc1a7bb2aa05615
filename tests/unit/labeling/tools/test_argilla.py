"""Argilla's shapes: the SDK 2.8.0, argilla/records/_resource.py (Record.to_dict) and _io/_generic.py (flatten=True).

The SDK itself reads and writes our files in tests/integration/test_labeling_sdks.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.errors import LabelingError
from tagnet.labeling.collect import Collected, collect
from tagnet.labeling.tasks import ShownTag, TaskBatch, make_batch
from tagnet.labeling.tools.argilla import Argilla
from tagnet.records.record import Record

USER = "8f7c1c1e-0000-4000-8000-000000000001"


def records_of(batch: TaskBatch, folder: Path) -> list[dict[str, Any]]:
    path, _ = Argilla().write(batch, folder / "records.json")
    rows: list[dict[str, Any]] = json.loads(path.read_text())
    return rows


def read(path: Path) -> Collected:
    return collect(Argilla().read(path), tool="argilla", file=path.name, file_sha256=None)


def test_what_goes_in(batch: TaskBatch, tmp_path: Path) -> None:
    first, _, third = records_of(batch, tmp_path)
    assert (first["id"], first["fields"]) == ("1", {"text": "Sets\n\nA tour."})
    assert first["suggestions"] == {"tags": {"value": ["a", "b"], "score": None, "agent": "author"}}
    assert third["suggestions"] == {}


def test_a_score_for_each_tag_or_none(tmp_path: Path) -> None:
    suggested = [[ShownTag("a", "model", "v1", 0.9), ShownTag("b", "model", "v1", 0.5)]]
    batch = make_batch([Record(1, {"title": "x"}, ("a",), None)], ["title"], suggested=suggested)
    (row,) = records_of(batch, tmp_path)
    assert row["suggestions"]["tags"] == {"value": ["a", "b"], "score": [0.9, 0.5], "agent": "v1"}


def test_nested_records(batch: TaskBatch, tmp_path: Path, write_rows: Callable[..., Path]) -> None:
    rows = records_of(batch, tmp_path)
    rows[0]["responses"] = {"tags": [{"value": ["b"], "user_id": USER}, {"value": ["[no tag]"], "user_id": "other"}]}
    rows[1]["responses"] = {"tags": [{"user_id": USER, "status": "discarded"}]}
    rows[2]["responses"] = {"tags": [{"value": ["a"], "user_id": USER, "status": "draft"}]}
    found = read(write_rows("out.json", rows))
    first, second, third = (answer for answer, _ in found.answers)
    assert (first.kept, first.annotator, second.empty, third.skipped) == (("b",), USER, True, True)
    assert found.num_waiting == 1


def test_flat_rows(batch: TaskBatch, tmp_path: Path, write_rows: Callable[..., Path]) -> None:
    nested = records_of(batch, tmp_path)
    flat = [
        {
            "id": row["id"],
            "status": "completed",
            **row["fields"],
            **row["metadata"],
            "tags.responses": [["b"], None],
            "tags.responses.users": [USER, "other"],
            "tags.responses.status": ["submitted", "discarded"],
        }
        for row in nested[:2]
    ]
    waiting = {key: None if key.startswith("tags.") else value for key, value in flat[0].items()}
    found = read(write_rows("flat.json", [*flat, waiting]))
    assert found.num_waiting == 1
    assert [(answer.kept, answer.skipped) for answer, _ in found.answers] == [(("b",), False), ((), True)] * 2


@pytest.mark.parametrize(
    "row",
    [
        {"id": 1},
        {"fields": {"text": "x"}, "responses": {"tags": [3]}},
        {"fields": {"text": "x"}, "responses": {"tags": [{"value": 3}]}},
        {"text": "x", "tags.responses": [["a"]], "tags.responses.users": [1, 2]},
    ],
)
def test_what_is_no_record(write_rows: Callable[..., Path], row: dict[str, Any]) -> None:
    with pytest.raises(LabelingError, match="item 1"):
        Argilla().read(write_rows("e.json", [row]))
