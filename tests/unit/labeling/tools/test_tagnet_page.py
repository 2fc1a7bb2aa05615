"""The server's page: answers come in by the same door."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.errors import LabelingError
from tagnet.labeling.collect import Collected, collect
from tagnet.labeling.labelled_rows import LabelledRows
from tagnet.labeling.merge import merge
from tagnet.labeling.tasks import TaskBatch
from tagnet.labeling.tools.tagnet_page import TagnetPage

LINE: dict[str, Any] = {
    "id": "0af3",
    "project_id": 1,
    "at": "2026-11-02T10:00:00Z",
    "model_version": "v7",
    "annotator": "ann",
    "record": {"title": "Sets", "description": "A tour."},
    "shown": [
        {"tag": "a", "probability": 0.9, "source": "author"},
        {"tag": "m", "probability": 0.7, "source": "model"},
        {"tag": "b", "probability": None, "source": "author"},
    ],
    "kept": ["a"],
    "added": ["new"],
    "removed": ["b", "m"],
    "comment": "so",
}


def read(path: Path) -> Collected:
    return collect(TagnetPage().read(path), tool="tagnet", file=path.name, file_sha256=None)


def test_a_line_is_an_answer_with_its_origin(write_rows: Callable[..., Path], records: LabelledRows) -> None:
    found = read(write_rows("a.jsonl", json.dumps(LINE) + "\n"))
    ((answer, origin),) = found.answers
    assert (answer.kept, answer.added, answer.removed) == (("a",), ("new",), ("m", "b"))
    assert (answer.annotator, answer.at, answer.comment) == ("ann", "2026-11-02T10:00:00Z", "so")
    assert [(each.source, each.model_version, each.probability) for each in origin.slip.shown][1] == (
        "model",
        "v7",
        0.7,
    )
    assert found.review == ()
    merged = merge(records, [answer], {origin.answer: origin})
    assert (merged.tags, merged.review) == ({0: ("a", "new")}, ())


def test_a_changed_record_is_noticed(write_rows: Callable[..., Path], records: LabelledRows) -> None:
    ((answer, origin),) = read(write_rows("a.jsonl", json.dumps({**LINE, "record": {"title": "Other"}}))).answers
    merged = merge(records, [answer], {origin.answer: origin})
    assert [entry.reason for entry in merged.review] == ["text_changed"]


def test_empty_and_skipped(write_rows: Callable[..., Path]) -> None:
    nothing = {**LINE, "kept": [], "added": [], "removed": ["a", "b", "m"]}
    found = read(write_rows("a.jsonl", "\n".join(map(json.dumps, [nothing, {**LINE, "skipped": True}]))))
    assert [(answer.empty, answer.skipped) for answer, _ in found.answers] == [(True, False), (False, True)]


def test_a_text_without_an_id_goes_to_review(write_rows: Callable[..., Path]) -> None:
    found = read(write_rows("a.jsonl", "\n".join(map(json.dumps, [LINE, {**LINE, "project_id": None}]))))
    assert [entry.reason for entry in found.review] == ["not_our_task"]
    assert found.review[0].found["kept"] == ["a"]
    assert found.review[0].detail.startswith("its text came without a record's id")


def test_authors_of_new_texts_have_no_ids_at_all(write_rows: Callable[..., Path]) -> None:
    found = read(write_rows("a.jsonl", json.dumps({**LINE, "project_id": None}) + "\n"))
    assert (found.answers, len(found.review)) == ((), 1)


def test_what_was_shown_to_choose_from_and_left_alone_was_not_turned_down(write_rows: Callable[..., Path]) -> None:
    more = [*LINE["shown"], *({"tag": tag, "probability": 0.1, "source": "model"} for tag in ("maybe", "new"))]
    ((answer, origin),) = read(write_rows("a.jsonl", json.dumps({**LINE, "shown": more}))).answers
    assert (answer.kept, answer.added, answer.removed) == (("a",), ("new",), ("m", "b"))
    assert "maybe" not in {each.tag for each in origin.slip.shown}


def test_a_text_without_an_id_is_looked_up(write_rows: Callable[..., Path], records: LabelledRows) -> None:
    texts = [{"title": "Graphs", "description": ""}, {"title": "Nothing", "description": ""}, {"title": "Sets"}]
    lines = [json.dumps({**LINE, "project_id": None, "record": text}) for text in texts]
    path = write_rows("a.jsonl", "\n".join(lines))
    found = collect(TagnetPage(records=records).read(path), tool="tagnet", file="a", file_sha256=None)
    assert [answer.project_id for answer, _ in found.answers] == ["2", 1]
    (entry,) = found.review
    assert entry.reason == "not_our_task"
    assert "expected one record of" in entry.detail
    entries = read(path).review
    assert len(entries) == 3
    assert "with --records it is looked up by its text" in entries[0].detail


@pytest.mark.parametrize("change", [{"record": 3}, {"shown": "a"}, {"shown": [3]}, {"kept": [1]}])
def test_other_lines_are_refused(write_rows: Callable[..., Path], change: dict[str, Any]) -> None:
    with pytest.raises(LabelingError, match=r"a\.jsonl"):
        TagnetPage().read(write_rows("a.jsonl", json.dumps({**LINE, **change})))
    missing = {key: value for key, value in LINE.items() if key not in change}
    with pytest.raises(LabelingError, match="with the key"):
        TagnetPage().read(write_rows("a.jsonl", json.dumps(missing)))


def test_nothing_is_sent_to_it(batch: TaskBatch, tmp_path: Path) -> None:
    with pytest.raises(LabelingError, match="only `tagnet label import`"):
        TagnetPage().write(batch, tmp_path / "x")
