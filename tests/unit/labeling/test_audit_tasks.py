"""Suspect cells as tasks and as a list."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tagnet.errors import ConfigError
from tagnet.labeling.audit_tasks import SuspectCell, check_suffix, render_cells, suspect_batch
from tagnet.records.record import Record

RECORDS = [
    Record(1, {"title": "Sets", "description": "A tour."}, ("a", "b"), None),
    Record("2", {"title": "Graphs", "description": ""}, ("c",), None),
    Record(3, {"title": "Words", "description": ""}, (), None),
]
CELLS = [
    SuspectCell(1, "2", "a", "missing", 0.97, 0.97, ("c",), "Graphs"),
    SuspectCell(2, 1, "b", "spurious", 0.04, 0.96, ("a", "b"), "Sets"),
    SuspectCell(3, 1, "d", "missing", 0.9, 0.9, ("a", "b"), "Sets"),
    SuspectCell(4, 1, "alias-of-b", "spurious", 0.2, 0.8, ("a", "b"), "Sets"),
]


def test_one_task_a_record_in_the_order_of_suspicion() -> None:
    batch = suspect_batch(CELLS, RECORDS, ["title"], declared=["z"])
    assert [task.slip.project_id for task in batch.tasks] == ["2", 1]
    first, second = batch.tasks
    assert first.text == 'Please check: is "a" missing (0.97)?\n\nGraphs'
    assert 'is "b" wrong (0.04)? is "d" missing (0.90)?' in second.slip.asked
    # What is probably missing is ticked, what is probably wrong stays so; a tag that is not borne is not ticked.
    assert [(each.tag, each.source, each.probability) for each in second.slip.shown] == [
        ("a", "author", None),
        ("b", "author", 0.04),
        ("d", "model", 0.9),
    ]
    assert batch.tags == ("a", "b", "c", "d", "z")


def test_the_list_holds_everything() -> None:
    plain = json.loads(render_cells(CELLS, ".json"))
    assert [each["rank"] for each in plain] == [1, 2, 3, 4]
    assert plain[0] == {
        "rank": 1,
        "id": "2",
        "tag": "a",
        "suspect": "missing",
        "probability": 0.97,
        "suspicion": 0.97,
        "tags": ["c"],
        "text": "Graphs",
    }
    rows = list(csv.DictReader(io.StringIO(render_cells(CELLS, ".CSV"))))
    assert [row["tag"] for row in rows] == [cell.tag for cell in CELLS]
    assert json.loads(rows[1]["tags"]) == ["a", "b"]


def test_a_list_of_another_format() -> None:
    with pytest.raises(ConfigError, match=r"ends in \.csv or \.json"):
        check_suffix(Path("cells.xlsx"))
