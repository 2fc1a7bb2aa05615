"""Scale's shapes: https://scale.com/docs/api-reference/generative-ai (text collection tasks) and

https://docs.scale.com/reference/text-collection-hypothesis. scaleapi itself takes our bodies in
tests/integration/test_labeling_sdks.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.errors import LabelingError
from tagnet.labeling.collect import Collected, collect
from tagnet.labeling.tasks import TaskBatch
from tagnet.labeling.tools.scale import Scale


@pytest.fixture
def bodies(batch: TaskBatch, tmp_path: Path) -> list[dict[str, Any]]:
    (path,) = Scale().write(batch, tmp_path / "tasks.json")
    found: list[dict[str, Any]] = json.loads(path.read_text())
    return found


def read(path: Path) -> Collected:
    return collect(Scale().read(path), tool="scale", file=path.name, file_sha256=None)


def task(body: dict[str, Any], annotations: Any, **more: Any) -> dict[str, Any]:
    """As `GET /v1/task/{task_id}` gives it."""
    params = {key: body[key] for key in ("attachments", "fields")}
    done = {"status": "completed", "completed_at": "2026-11-02T10:00:00.000Z"}
    return {
        "task_id": "6f",
        "type": "textcollection",
        "params": params,
        "metadata": body["metadata"],
        **done,
        "response": {"annotations": annotations},
        **more,
    }


def test_what_goes_in(bodies: list[dict[str, Any]]) -> None:
    first, _, third = bodies
    (field,) = first["fields"]
    assert (field["type"], field["field_id"], field["min_choices"], field["max_choices"]) == ("category", "tags", 0, 3)
    assert field["choices"] == [{"label": tag, "value": tag} for tag in ("a", "b", "[skip]")]
    assert first["hypothesis"]["annotations"]["tags"] == {
        "type": "category",
        "field_id": "tags",
        "response": [["a", "b"]],
    }
    assert first["attachments"] == [{"type": "text", "content": "Sets\n\nA tour."}]
    assert "hypothesis" not in third
    assert len({body["unique_id"] for body in bodies}) == 3


@pytest.mark.parametrize(
    "annotations",
    [
        {"tags": ["b"]},
        {"tags": [["b"]]},
        {"tags": {"type": "category", "field_id": "tags", "response": [["b"]]}},
        {"tags": {"response": ["b"]}},
        ["b"],
        [["b"]],
    ],
)
def test_responses(bodies: list[dict[str, Any]], write_rows: Callable[..., Path], annotations: Any) -> None:
    ((answer, _),) = read(write_rows("out.json", [task(bodies[0], annotations)])).answers
    assert (answer.project_id, answer.kept, answer.removed) == (1, ("b",), ("a",))
    assert answer.at == "2026-11-02T10:00:00.000Z"


@pytest.mark.parametrize("annotations", [{"tags": []}, {"tags": [[]]}, [], [[]]])
def test_empty_responses(bodies: list[dict[str, Any]], write_rows: Callable[..., Path], annotations: Any) -> None:
    ((answer, _),) = read(write_rows("out.json", [task(bodies[0], annotations)])).answers
    assert answer.empty


def test_pages_callbacks_and_tasks_that_wait(bodies: list[dict[str, Any]], write_rows: Callable[..., Path]) -> None:
    page = {"docs": [task(bodies[0], {"tags": ["a"]}), task(bodies[1], None, status="pending", response=None)]}
    assert read(write_rows("page.json", page)).num_waiting == 1
    inner = task(bodies[2], None, response=None)
    callback = {"task_id": "6f", "task": inner, "response": {"annotations": {"tags": ["c"]}}}
    ((answer, _),) = read(write_rows("callback.json", callback)).answers
    assert (answer.project_id, answer.added) == (3, ("c",))


@pytest.mark.parametrize(
    "row",
    [
        {"a": 1},
        {"task_id": "1", "metadata": {}, "response": {"annotations": {"other": ["a"]}}},
        {"task_id": "1", "metadata": {}, "response": {"annotations": None}},
        {"task_id": "1", "metadata": {}, "response": {"annotations": {"tags": [3]}}},
    ],
)
def test_what_is_no_task(write_rows: Callable[..., Path], row: dict[str, Any]) -> None:
    with pytest.raises(LabelingError, match="item 1"):
        Scale().read(write_rows("e.json", [row]))
