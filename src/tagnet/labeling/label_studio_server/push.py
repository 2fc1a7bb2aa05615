"""Tasks to the server: those that are not there yet, and each once.

Whatever happened before, pushing makes true that every task is in the project exactly once: it looks what is there,
sends the rest in parts, and looks again. A part that the server went on taking in after the connection was cut can make
a second task of the same record and text; of those one stays, and others are taken away while nobody has touched them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tagnet.errors import LabelingError
from tagnet.labeling.label_studio_server.connection import Connection, field
from tagnet.labeling.label_studio_server.project import Project, find_project, make_project, offer_tags
from tagnet.labeling.label_studio_server.task_pages import Key, Progress, ServerTask, key_of, list_tasks
from tagnet.labeling.tasks import LabelTask, TaskBatch
from tagnet.labeling.tools.label_studio import Control, encode_task

MODEL_VERSION = "tagnet"
"""Label Studio ticks the predictions of one model version a project: all that are pushed have this one."""
_TASKS = 100
_BYTES = 4 << 20
"""Of a part that is sent at a time: the less, the less is on its way when the connection is cut."""
_LOOKS = 10
"""How often the project is looked at until everything is there: some servers take tasks in behind the scenes."""
_LOOK_SECONDS = 2.0


@dataclass(frozen=True)
class Pushed:
    """What came of a push."""

    project: Project
    made: bool
    """The project is new."""
    sent: int
    known: int
    """Tasks that were there."""
    new_tags: tuple[str, ...]
    """Put into the labeling config of a project that was there."""
    doubles: int
    """Tasks that were taken away, for the same one was there."""
    outdated: int
    """Tasks of these records that show an earlier text, or one that was edited on the server."""


def push(
    connection: Connection,
    title: str,
    batch: TaskBatch,
    control: Control = "choices",
    progress: Progress | None = None,
    *,
    pause: Callable[[float], object] = time.sleep,
) -> Pushed:
    """Make true that every task of a batch is in the project once.

    Args:
        connection: the server.
        title: of the project, which is made where it is not there.
        batch: the tasks.
        control: how tags are chosen.
        progress: called with the number of tasks that are there, and that of all.
        pause: waits some seconds.

    Raises:
        LabelingError: the server cannot be asked, does not take what is sent, or its project has moved on. What has
            arrived stays, and the next push goes on from there.
    """
    project = find_project(connection, title)
    made = project is None
    new_tags: list[str] = []
    if project is None:
        project = make_project(connection, title, batch, control)
    else:
        project, new_tags = offer_tags(connection, project, batch, control)
    tasks, doubles = _single(connection, list_tasks(connection, project))
    there = {task.key for task in tasks}
    missing = [task for task in batch.tasks if key_of(task.slip) not in there]
    known = len(batch.tasks) - len(missing)
    done = known
    for part in _parts(encode_task(task, batch, control, MODEL_VERSION) for task in missing):
        connection.post(f"{project.path}import", part)
        done += len(part)
        if progress is not None:
            progress(done, len(batch.tasks))
    if missing:
        tasks, more = _all_there(connection, project, batch.tasks, pause)
        doubles += more
    wanted = {key_of(task.slip) for task in batch.tasks}
    records = {identity for identity, _ in wanted}
    outdated = [
        task
        for task in tasks
        if task.slip is not None and str(task.slip.project_id) in records and task.key not in wanted
    ]
    return Pushed(project, made, len(missing), known, tuple(new_tags), doubles, len(outdated))


def _parts(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        length = len(json.dumps(row))
        if part and (len(part) == _TASKS or size + length > _BYTES):
            yield part
            part, size = [], 0
        part.append(row)
        size += length
    if part:
        yield part


def _all_there(
    connection: Connection, project: Project, tasks: Sequence[LabelTask], pause: Callable[[float], object]
) -> tuple[list[ServerTask], int]:
    """The project's tasks once all of ours are among them, and how many doubles were taken away."""
    wanted = {key_of(task.slip) for task in tasks}
    for look in range(_LOOKS):
        found = list_tasks(connection, project)
        missing = wanted - {task.key for task in found}
        if not missing:
            return _single(connection, found)
        if look < _LOOKS - 1:
            pause(_LOOK_SECONDS)
    raise LabelingError(
        f"the project {project.title!r} at {connection.url}: expected all {len(wanted)} tasks, found "
        f"{len(wanted) - len(missing)}; the server took the others and does not have them.\n"
        "Look at its log; the same command sends what is missing."
    )


def _single(connection: Connection, tasks: Sequence[ServerTask]) -> tuple[list[ServerTask], int]:
    """Tasks without those that are there twice and untouched, and how many of them were taken away."""
    kept: dict[Key, ServerTask] = {}
    spare: list[ServerTask] = []
    for task in tasks:
        if task.key is None:
            continue
        first = kept.setdefault(task.key, task)
        if first is not task:
            # What somebody has worked on stays, else the older one.
            kept[task.key], other = (task, first) if task.touched and not first.touched else (first, task)
            spare.append(other)
    gone = {task.number for task in spare if not task.touched and _take_away(connection, task)}
    return [task for task in tasks if task.number not in gone], len(gone)


def _take_away(connection: Connection, task: ServerTask) -> bool:
    """Take a task away, unless somebody has begun it meanwhile."""
    path = f"/api/tasks/{task.number}/"
    row = connection.get(path)
    place = connection.url + path
    if field(row, "annotations", list, place) or field(row, "drafts", list, place):
        return False
    connection.delete(path)
    return True
