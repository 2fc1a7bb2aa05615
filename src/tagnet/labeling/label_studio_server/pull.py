"""Answers from the server, as `labeling.collect` takes them: the same door as for a file.

Nothing on the server is changed, and nothing here is written: whoever is killed on the way asks again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tagnet.errors import LabelingError
from tagnet.labeling.label_studio_server.connection import Connection
from tagnet.labeling.label_studio_server.project import Project, need_project, own_offer
from tagnet.labeling.label_studio_server.task_pages import Progress, ServerTask, answered_tasks
from tagnet.labeling.tools.codec import SLIP, Replies, Reply
from tagnet.labeling.tools.label_studio import annotations_of, checked_slip, decode_annotation

_USERS = "/api/users/"


@dataclass(frozen=True, slots=True)
class TaskReply:
    """A reply, and the task that it is to."""

    number: int
    """The server's, of the task."""
    reply: Reply


@dataclass(frozen=True)
class Pulled:
    """What a project holds."""

    project: Project
    tasks: tuple[ServerTask, ...]
    answers: tuple[TaskReply, ...]
    replies: Replies
    """The same answers, for `collect`."""
    moved_on: str | None
    """Why the labeling config no longer is one of ours; None where it is."""


def pull(connection: Connection, title: str, progress: Progress | None = None) -> Pulled:
    """Everything that was answered in a project.

    Annotators are named by their e-mail address. An annotation of which nobody can say which tags it means becomes a
    reply that `collect` puts into the review.

    Raises:
        LabelingError: there is no such project, or the server cannot be asked.
    """
    project = need_project(connection, title)
    moved_on, tags = None, None
    try:
        tags = own_offer(project).tags
    except LabelingError as fault:
        moved_on = str(fault)
    names = _names(connection)
    found = answered_tasks(connection, project, progress)
    answers: list[TaskReply] = []
    waiting: list[object] = []
    for task, row in found:
        replies = _replies(project, task, row, names)
        answers += [TaskReply(task.number, reply) for reply in replies]
        if not replies:
            data = row.get("data")
            waiting.append(data.get(SLIP) if isinstance(data, Mapping) else None)
    replies_to_all = Replies(tuple(each.reply for each in answers), tags, tuple(waiting))
    return Pulled(project, tuple(task for task, _ in found), tuple(answers), replies_to_all, moved_on)


def _names(connection: Connection) -> dict[int, str]:
    """E-mail addresses by the server's number of a user."""
    users = connection.get(_USERS)
    if not isinstance(users, list):
        raise LabelingError(f"{connection.url}{_USERS}: expected a list of users, found something else")
    found = {}
    for user in users:
        if isinstance(user, Mapping) and isinstance(user.get("id"), int) and isinstance(user.get("email"), str):
            found[user["id"]] = user["email"]
    return found


def _replies(project: Project, task: ServerTask, row: Mapping[str, Any], names: Mapping[int, str]) -> list[Reply]:
    place = f"project {project.title!r}, task {task.number}"
    data = row.get("data")
    data = data if isinstance(data, Mapping) else {}
    replies = []
    for number, annotation in enumerate(annotations_of(row, place), 1):
        who = annotation.get("completed_by")
        named = {**annotation, "completed_by": names.get(who, who) if isinstance(who, int) else who}
        spot = f"{place}, annotation {number}"
        try:
            replies.append(decode_annotation({"id": task.number, "data": data}, named, spot))
        except LabelingError as fault:
            replies.append(_unclear(spot, data, named, fault))
    return replies


def _unclear(place: str, data: Mapping[str, Any], found: Mapping[str, Any], fault: LabelingError) -> Reply:
    """What cannot be read, for the review: one annotation never keeps the others out."""
    text = data.get("text")
    who = found.get("completed_by")
    return Reply(
        place=place,
        slip=checked_slip(data),
        chosen=None,
        text=text if isinstance(text, str) else "",
        annotator=who if isinstance(who, str) else None,
        unclear=str(fault).removeprefix(f"{place}: "),
        found={"data": dict(data), "annotation": dict(found)},
    )
