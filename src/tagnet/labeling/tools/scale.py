"""Scale AI: text collection tasks with a hypothesis, and the tasks that its API gives back.

Shapes are those of https://scale.com/docs/api-reference/generative-ai and
https://docs.scale.com/reference/text-collection-hypothesis, and of scaleapi 2.18.4 (`Task.as_dict`): one field of the
type category, whose answers come back as `["a"]` or `[["a"]]`. The choice "[skip]" stands for skipping.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagnet.errors import LabelingError
from tagnet.labeling.tasks import LabelTask, TaskBatch, write_slip
from tagnet.labeling.tools.codec import (
    SKIP,
    SLIP,
    Replies,
    Reply,
    as_iso,
    as_name,
    most_wanted,
    read_rows,
    tag_list,
    write_rows,
)
from tagnet.records.json_files import describe

_FIELD = "tags"
_EXPECTED = "a task of Scale's API"
_WAITING = ("pending", "canceled", "error")


@dataclass(frozen=True)
class Scale:
    """The codec."""

    name: str = "scale"
    max_choices: int = 400
    """The most tags to choose from, besides those that a task shows: each task repeats them."""

    def write(self, batch: TaskBatch, output: Path) -> Sequence[Path]:
        """Write the bodies of `POST /v1/task/textcollection`, as a JSON array; the project's name is yours to add."""
        tags = most_wanted(batch, self.max_choices)
        write_rows(output, (encode_task(task, tags) for task in batch.tasks))
        return [output]

    def read(self, path: Path) -> Replies:
        """Read tasks: an array, JSON Lines, or a page of the API; those without a response wait."""
        rows = []
        for place, row in read_rows(path, self.name, _EXPECTED):
            docs = row.get("docs")
            if isinstance(docs, list):
                rows += [(f"{place}, task {number}", each) for number, each in enumerate(docs, 1)]
            else:
                rows.append((place, row))
        replies: list[Reply] = []
        waiting: list[object] = []
        tags: set[str] = set()
        for place, row in rows:
            task = _task_of(row, place)
            tags.update(_choices(task))
            reply = decode(row, task, place)
            if reply is None:
                waiting.append(_metadata(task).get(SLIP))
            else:
                replies.append(reply)
        return Replies(tuple(replies), frozenset(tags - {SKIP}), tuple(waiting))


def category_field(tags: Sequence[str]) -> dict[str, Any]:
    """The one field of a task: every tag, any number of them."""
    return {
        "type": "category",
        "field_id": _FIELD,
        "title": "Which tags fit the text?",
        "choices": [{"label": tag, "value": tag} for tag in (*tags, SKIP)],
        "min_choices": 0,
        "max_choices": len(tags) + 1,
    }


def encode_task(task: LabelTask, tags: Sequence[str]) -> dict[str, Any]:
    """The body of a request that creates a task; `unique_id` keeps Scale from making a second one."""
    slip = task.slip
    body: dict[str, Any] = {
        "instruction": "Tick every tag that fits the text; [skip] where you cannot say.",
        "attachments": [{"type": "text", "content": task.text}],
        "fields": [category_field(tuple(dict.fromkeys([*task.shown, *tags])))],
        "unique_id": f"{slip.project_id}-{slip.content_hash[:16]}",
        "metadata": {"project_id": slip.project_id, SLIP: write_slip(slip)},
    }
    if task.shown:
        response = {"type": "category", "field_id": _FIELD, "response": [list(task.shown)]}
        body["hypothesis"] = {"annotations": {_FIELD: response}}
    return body


def decode(row: Mapping[str, Any], task: Mapping[str, Any], place: str) -> Reply | None:
    """The reply in a task; None where it waits.

    Raises:
        LabelingError: the response is none to our field.
    """
    response = row.get("response") or task.get("response")
    if not response or task.get("status", "completed") in _WAITING:
        return None
    annotations = response.get("annotations") if isinstance(response, Mapping) else None
    if isinstance(annotations, Mapping):
        if _FIELD not in annotations:
            raise LabelingError(
                f"{place}: response: expected the field {_FIELD!r}, found {', '.join(annotations) or 'none'}"
            )
        annotations = annotations[_FIELD]
    if isinstance(annotations, Mapping):
        annotations = annotations.get("response")
    if not isinstance(annotations, list | str):
        raise LabelingError(f"{place}: response: expected annotations of {_FIELD!r}, found {describe(response)}")
    if isinstance(annotations, list) and all(isinstance(each, list) for each in annotations):
        annotations = [tag for each in annotations for tag in each]
    return Reply(
        place=place,
        slip=_metadata(task).get(SLIP),
        chosen=tag_list(annotations, place, "response"),
        text=_text(task),
        annotator=as_name(response.get("annotator") or task.get("worker_id")),
        at=as_iso(task.get("completed_at")) or as_iso(task.get("updated_at")),
        found={key: value for key, value in row.items() if key not in ("params", "fields", "task")},
    )


def _task_of(row: object, place: str) -> Mapping[str, Any]:
    """The task itself; a callback wraps it."""
    if isinstance(row, Mapping):
        task = row["task"] if isinstance(row.get("task"), Mapping) else row
        if "metadata" in task or "task_id" in task:
            return task
    raise LabelingError(f"{place}: expected {_EXPECTED}, with task_id, metadata and response; found {describe(row)}")


def _metadata(task: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = task.get("metadata")
    return metadata if isinstance(metadata, Mapping) else {}


def _params(task: Mapping[str, Any]) -> Mapping[str, Any]:
    params = task.get("params")
    return params if isinstance(params, Mapping) else task


def _choices(task: Mapping[str, Any]) -> set[str]:
    fields = _params(task).get("fields") or []
    choices = [choice for field in fields if isinstance(field, Mapping) for choice in field.get("choices") or []]
    return {each["value"] for each in choices if isinstance(each, Mapping) and isinstance(each.get("value"), str)}


def _text(task: Mapping[str, Any]) -> str | None:
    attachments = _params(task).get("attachments")
    if not isinstance(attachments, list):
        return None
    texts = [each["content"] for each in attachments if isinstance(each, Mapping) and "content" in each]
    return str(texts[0]) if texts else None
