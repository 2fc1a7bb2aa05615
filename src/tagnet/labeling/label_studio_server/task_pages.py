"""A project's tasks, page by page, each exactly once whatever is added or taken away meanwhile.

Pages are cut by the server's task number, which only grows while a listing runs: "those above the last one". It serves
as a bookmark for that long; tasks are known by their record and the hash of its text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tagnet.errors import LabelingError
from tagnet.labeling.label_studio_server.connection import Connection, field
from tagnet.labeling.label_studio_server.project import Project
from tagnet.labeling.tasks import Slip, read_slip, text_hash
from tagnet.labeling.tools.label_studio import checked_slip

Key = tuple[str, str]
"""A record's id as text, and the hash of its shown fields: what a task is known by."""
Progress = Callable[[int, int], object]
"""Called with what is done, and the whole."""

_PATH = "/api/tasks/"
_PAGE = 250
_HEAD = ("id", "data", "total_annotations", "cancelled_annotations", "draft_exists")
# The server leaves out of annotations, too, what is not named here.
_ANSWERS = ("annotations", "result", "was_cancelled", "completed_by", "created_at", "updated_at", "comments")


@dataclass(frozen=True, slots=True)
class ServerTask:
    """A task as the server has it."""

    number: int
    """The server's, for the length of one command."""
    slip: Slip | None
    """None where the task is not ours, or somebody has edited its slip."""
    edited: bool
    """Ours, but its text is not the one that was sent."""
    touched: bool
    """Somebody has answered, skipped, or begun it."""

    @property
    def key(self) -> Key | None:
        """What it is known by; None where an answer to it would not be one of ours."""
        return None if self.slip is None or self.edited else key_of(self.slip)


def key_of(slip: Slip) -> Key:
    """What the task of a slip is known by."""
    return str(slip.project_id), slip.content_hash


def list_tasks(connection: Connection, project: Project, progress: Progress | None = None) -> list[ServerTask]:
    """Every task, without its answers.

    Raises:
        LabelingError: the server cannot be asked, or answers nonsense.
    """
    return [_server_task(row) for page in _pages(connection, project, _HEAD, progress) for row in page]


def answered_tasks(
    connection: Connection, project: Project, progress: Progress | None = None
) -> list[tuple[ServerTask, Mapping[str, Any]]]:
    """Every task, and its row with `data` and `annotations`; raises as `list_tasks`."""
    rows = [row for page in _pages(connection, project, (*_HEAD, *_ANSWERS), progress) for row in page]
    for row in rows:
        field(row, "annotations", list, connection.url + _PATH)
    return [(_server_task(row), row) for row in rows]


def _server_task(row: Mapping[str, Any]) -> ServerTask:
    data = row.get("data")
    data = data if isinstance(data, Mapping) else {}
    try:
        slip = read_slip(checked_slip(data))
    except LabelingError:
        slip = None
    text = data.get("text")
    edited = slip is not None and text_hash(text if isinstance(text, str) else "") != slip.text_hash
    touched = any(row.get(name) for name in _HEAD[2:]) or bool(row.get("annotations"))
    return ServerTask(row["id"], slip, edited, touched)


def _pages(
    connection: Connection, project: Project, names: Sequence[str], progress: Progress | None
) -> Iterator[list[Mapping[str, Any]]]:
    last, done, place = 0, 0, connection.url + _PATH
    while True:
        above = {"filter": "filter:tasks:id", "operator": "greater", "type": "Number", "value": last}
        query = {"filters": {"conjunction": "and", "items": [above]}, "ordering": ["tasks:id"]}
        answer = connection.get(
            _PATH,
            {
                "project": project.number,
                "page_size": _PAGE,
                "fields": "all",
                "include": ",".join(names),
                "resolve_uri": "false",
                "query": json.dumps(query),
            },
        )
        rows = field(answer, "tasks", list, place)
        total = field(answer, "total", int, place)
        for row in rows:
            number = field(row, "id", int, place)
            if number <= last:
                raise LabelingError(
                    f"{place}: expected the tasks above {last}, in their order, found {number}; is it a version of "
                    "Label Studio that tagnet does not know?"
                )
            last = number
        if not rows and total:
            raise LabelingError(f"{place}: expected some of {total} tasks, found none")
        yield rows
        done += len(rows)
        if progress is not None:
            progress(done, done + total - len(rows))
        if len(rows) >= total:
            return
