"""Label Studio's shapes: https://labelstud.io/guide/tasks, /guide/predictions, /guide/export and /tags/choices.

The SDK's own checks of our config, tasks and predictions run in tests/integration/test_labeling_sdks.py.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagnet.errors import LabelingError
from tagnet.labeling.collect import collect
from tagnet.labeling.tasks import TaskBatch, make_batch, write_slip
from tagnet.labeling.tools.label_studio import LabelStudio, labeling_config
from tagnet.records.record import Record

RESULT = {"id": "x", "from_name": "tags", "to_name": "text", "type": "choices", "value": {"choices": ["b"]}}


def annotated(batch: TaskBatch, **annotation: Any) -> dict[str, Any]:
    """The first task as the export of https://labelstud.io/guide/export#Label-Studio-JSON-format-of-annotated-tasks."""
    task = batch.tasks[0]
    data = {"text": task.text, "project_id": 1, "content_hash": task.slip.content_hash, "tagnet": write_slip(task.slip)}
    whole = {
        "id": 5,
        "completed_by": 1,
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2026-11-01T10:00:00.000000Z",
        "updated_at": "2026-11-02T10:00:00.000000Z",
        "result": [RESULT],
        **annotation,
    }
    return {"id": 9, "data": data, "annotations": [whole], "predictions": [], "meta": {}, "inner_id": 1}


def read(path: Path) -> Any:
    return collect(LabelStudio().read(path), tool="label-studio", file=path.name, file_sha256=None)


def test_a_task_is_as_the_guide_says(batch: TaskBatch, tmp_path: Path) -> None:
    paths = LabelStudio().write(batch, tmp_path / "tasks.json")
    assert [path.name for path in paths] == ["tasks.json", "tasks.config.xml"]
    first, second, third = json.loads(paths[0].read_text())
    assert first["data"]["project_id"] == 1
    assert second["data"]["project_id"] == "2"
    assert "id" not in first["data"]
    assert (first["data"]["title"], first["data"]["text"]) == ("Sets", "Sets\n\nA tour.")
    assert first["predictions"][0]["result"] == [
        {"from_name": "tags", "to_name": "text", "type": "choices", "value": {"choices": ["a", "b"]}}
    ]
    assert third["predictions"][0]["result"] == []


def test_the_config_offers_every_tag(batch: TaskBatch) -> None:
    view = ET.fromstring(labeling_config(batch))
    choices = view.find("Choices")
    assert choices is not None
    assert choices.attrib == {"name": "tags", "toName": "text", "choice": "multiple"}
    assert [each.attrib["value"] for each in choices] == ["a", "b"]
    text = view.find("Text")
    assert text is not None
    assert text.attrib == {"name": "text", "value": "$text"}


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1), unique=True))
def test_the_config_holds_any_tag(tags: list[str]) -> None:
    tags = [tag for tag in tags if not set(tag) & {"\ufffe", "\uffff"}]
    batch = make_batch([Record(1, {"title": "x"}, tuple(tags), None)], ["title"])
    found = ET.fromstring(labeling_config(batch)).findall("Choices/Choice")
    assert [each.attrib["value"] for each in found] == sorted(tags)


def test_a_tag_that_xml_cannot_hold_is_named(batch: TaskBatch, tmp_path: Path) -> None:
    odd = make_batch([Record(1, {"title": "x"}, ("a\x00b",), None)], ["title"])
    with pytest.raises(LabelingError, match="XML"):
        LabelStudio().write(odd, tmp_path / "tasks.json")
    assert not list(tmp_path.glob("tasks*"))


def test_a_tree_of_tags_and_back(tmp_path: Path) -> None:
    batch = make_batch(
        [Record(1, {"title": "x"}, ("c", "a"), None)], ["title"], declared=["b"], parents={"c": "b", "b": "a"}
    )
    codec = LabelStudio(control="taxonomy")
    codec.write(batch, tmp_path / "t.json")
    tree = ET.fromstring((tmp_path / "t.config.xml").read_text())
    assert [each.attrib["value"] for each in tree.iter("Choice")] == ["a", "b", "c"]
    assert tree.find("Taxonomy/Choice/Choice/Choice") is not None
    (task,) = json.loads((tmp_path / "t.json").read_text())
    (result,) = task["predictions"][0]["result"]
    assert result["value"] == {"taxonomy": [["a", "b", "c"], ["a"]]}
    result["value"]["taxonomy"].append(["a", "b"])
    task["annotations"] = [{"result": [result], "was_cancelled": False, "completed_by": 1}]
    (tmp_path / "t.json").write_text(json.dumps([task]))
    ((answer, _),) = read(tmp_path / "t.json").answers
    assert (answer.kept, answer.added) == (("c", "a"), ("b",))


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ({}, (("b",), (), ("a",), False, False)),
        ({"result": []}, ((), (), ("a", "b"), False, True)),
        ({"was_cancelled": True}, ((), (), (), True, False)),
        ({"was_cancelled": True, "result": []}, ((), (), (), True, False)),
        ({"result": [{**RESULT, "value": {"choices": ["z", "a"]}}]}, (("a",), ("z",), ("b",), False, False)),
        ({"result": [{**RESULT, "value": {"choices": "a"}}]}, (("a",), (), ("b",), False, False)),
    ],
)
def test_annotations(
    batch: TaskBatch, write_rows: Callable[..., Path], annotation: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    ((answer, _),) = read(write_rows("e.json", [annotated(batch, **annotation)])).answers
    assert (answer.kept, answer.added, answer.removed, answer.skipped, answer.empty) == expected
    assert (answer.project_id, answer.annotator, answer.at) == (1, "1", "2026-11-02T10:00:00.000000Z")


def test_several_annotators_and_their_words(batch: TaskBatch, write_rows: Callable[..., Path]) -> None:
    task = annotated(batch, completed_by={"id": 2, "email": "ann@example.org", "first_name": ""})
    note = {"from_name": "note", "to_name": "text", "type": "textarea", "value": {"text": ["odd", "one"]}}
    task["annotations"].append({"completed_by": 3, "result": [RESULT, note], "was_cancelled": False})
    found = read(write_rows("e.json", [task]))
    assert [(answer.annotator, answer.comment) for answer, _ in found.answers] == [
        ("ann@example.org", None),
        ("3", "odd\none"),
    ]


def test_ids_beside_the_slip_must_be_its_own(batch: TaskBatch, write_rows: Callable[..., Path]) -> None:
    good, bad = annotated(batch), annotated(batch)
    bad["data"]["project_id"] = 999
    found = read(write_rows("e.json", [good, bad]))
    assert [entry.reason for entry in found.review] == ["not_our_task"]
    assert len(found.answers) == 1


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"id": 1, "text": "x", "tags": {"choices": ["a"]}, "annotation_id": 3}, "not as JSON-MIN"),
        ({"data": {"text": "x"}, "annotations": 3}, "annotations"),
        ({"data": {"text": "x"}, "annotations": [{"result": "x"}]}, "result"),
        ({"data": {}, "annotations": [{"result": [{"type": "labels", "from_name": "ner", "value": {}}]}]}, "control"),
        ({"data": {}, "annotations": [{"result": [{**RESULT, "from_name": "other"}]}]}, "control"),
        ({"data": {}, "annotations": [{"result": [{**RESULT, "value": {"choices": [1]}}]}]}, "value"),
    ],
)
def test_what_is_no_full_export(write_rows: Callable[..., Path], row: dict[str, Any], words: str) -> None:
    with pytest.raises(LabelingError, match=words) as caught:
        LabelStudio().read(write_rows("e.json", [row]))
    assert "item 1" in str(caught.value)
