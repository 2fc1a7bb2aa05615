"""Prodigy's shapes: https://prodi.gy/docs/api-interfaces#choice and https://prodi.gy/docs/named-entity-recognition#output

(`answer`, `_annotator_id`, `_session_id`, `_timestamp`, `_input_hash`). Prodigy is not free: read, not run.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.errors import LabelingError
from tagnet.labeling.collect import Collected, collect
from tagnet.labeling.tasks import TaskBatch, make_batch
from tagnet.labeling.tools.prodigy import Prodigy
from tagnet.records.record import Record


def tasks(batch: TaskBatch, folder: Path) -> list[dict[str, Any]]:
    (path,) = Prodigy().write(batch, folder / "tasks.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def read(path: Path) -> Collected:
    return collect(Prodigy().read(path), tool="prodigy", file=path.name, file_sha256=None)


def test_what_goes_in(batch: TaskBatch, tmp_path: Path) -> None:
    first = tasks(batch, tmp_path)[0]
    assert first["options"] == [{"id": "a", "text": "a"}, {"id": "b", "text": "b"}]
    assert (first["accept"], first["config"]) == (["a", "b"], {"choice_style": "multiple"})
    assert "answer" not in first


def test_what_comes_out(batch: TaskBatch, tmp_path: Path, write_rows: Callable[..., Path]) -> None:
    rows = tasks(batch, tmp_path)
    ours = {"_input_hash": -1, "_task_hash": 2, "_view_id": "choice", "_timestamp": 1793613600}
    rows[0] |= {"accept": ["b", "c"], "answer": "accept", "_annotator_id": "db-ann", **ours}
    rows[1] |= {"answer": "ignore", "_session_id": "db-bob", **ours}
    rows[2] |= {"accept": [], "answer": "accept", **ours}
    rows.append({**rows[0], "answer": "reject"})
    found = read(write_rows("out.jsonl", "\n".join(map(json.dumps, rows))))
    first, second, third = (answer for answer, _ in found.answers)
    assert (first.kept, first.added, first.annotator, first.at) == (
        ("b",),
        ("c",),
        "db-ann",
        "2026-11-02T10:00:00+00:00",
    )
    assert (second.skipped, second.annotator, third.empty) == (True, "db-bob", True)
    assert {entry.reason for entry in found.review} == {"unclear_answer", "unknown_tags"}


def test_options_are_the_most_shown_and_those_of_the_task(tmp_path: Path) -> None:
    tags = [("a", "b"), ("a", "c"), ("a", "b", "d")]
    batch = make_batch(
        [Record(n, {"title": "x"}, each, None) for n, each in enumerate(tags)], ["title"], declared=["z"]
    )
    (path,) = Prodigy(max_choices=2).write(batch, tmp_path / "t.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [[option["id"] for option in row["options"]] for row in rows] == [
        ["a", "b", "z"],
        ["a", "c", "z"],
        ["a", "b", "d", "z"],
    ]


@pytest.mark.parametrize("row", [{"text": "x", "answer": "yes"}, {"text": "x"}, {"answer": "accept", "accept": [1]}])
def test_what_is_no_choice(write_rows: Callable[..., Path], row: dict[str, Any]) -> None:
    with pytest.raises(LabelingError, match=r"answer|accept"):
        Prodigy().read(write_rows("e.jsonl", json.dumps(row)))
