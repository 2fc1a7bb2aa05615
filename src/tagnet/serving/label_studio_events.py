"""What Label Studio says through its webhook: kept in a file that only grows, and counted.

An event may arrive twice, and the same annotation through two webhooks: each is kept once. Two kinds of lines, after
`id` and `at`:

    event, action, annotation, task, project_id, answered     an annotation was made, changed or deleted
    batch, tasks                                              that many tasks were finished; a command was started

`task` is a hash of what a task is known by: our record's id and the hash of its text, or, where it is not one of ours,
of its data. `answered` is false where the annotator skipped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tagnet.errors import LabelingError, RunDirectoryError
from tagnet.labeling.tasks import read_slip
from tagnet.labeling.tools.label_studio import checked_slip
from tagnet.records.json_files import describe
from tagnet.records.record import RecordId
from tagnet.serving.append_only import AppendOnlyFile
from tagnet.serving.refusal import Refusal

_MADE = ("ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED")
_DELETED = "ANNOTATIONS_DELETED"
_LONGEST_ID = 200


@dataclass(frozen=True, slots=True)
class Event:
    """One annotation that was made, changed or deleted."""

    event: str
    """16 hex digits that are the same for the same event."""
    action: str
    annotation: int
    """The server's number of it."""
    task: str | None
    project_id: RecordId | None
    """The record's id, where the task is ours and the id is short."""
    answered: bool


def read_event(body: Mapping[str, Any]) -> list[Event]:
    """The annotations of a webhook's body; none where it is about something else.

    Raises:
        Refusal: it says that it is about annotations, and holds none.
    """
    action = body.get("action")
    if action == _DELETED:
        rows = _objects(body.get("annotations"), "annotations")
        return [_event(_DELETED, row, None) for row in rows]
    if action not in _MADE:
        return []
    tasks = {_number(task, "id", "task"): task for task in _objects(body.get("task"), "task")}
    return [
        _event(str(action), row, tasks.get(_number(row, "task", "annotation")))
        for row in _objects(body.get("annotation"), "annotation")
    ]


def _objects(value: object, place: str) -> Sequence[Mapping[str, Any]]:
    found = []
    for each in value if isinstance(value, list) else [value]:
        if not isinstance(each, Mapping):
            raise Refusal(422, "not_an_event", f"{place}: expected an object of Label Studio, found {describe(each)}")
        found.append(each)
    return found


def _number(row: Mapping[str, Any], key: str, place: str) -> int:
    number = row.get(key)
    if not isinstance(number, int) or isinstance(number, bool):
        raise Refusal(422, "not_an_event", f"{place}.{key}: expected a number, found {describe(number)}")
    return number


def _event(action: str, row: Mapping[str, Any], task: Mapping[str, Any] | None) -> Event:
    number = _number(row, "id", "annotation")
    known, project_id = _known_by(task)
    made = row.get("created_at"), row.get("updated_at"), row.get("unique_id")
    answered = action != _DELETED and row.get("was_cancelled") is not True
    return Event(_hash([action, number, known, *map(str, made)])[:16], action, number, known, project_id, answered)


def _known_by(task: Mapping[str, Any] | None) -> tuple[str | None, RecordId | None]:
    data = None if task is None else task.get("data")
    if not isinstance(data, Mapping):
        return None, None
    try:
        slip = read_slip(checked_slip(data))
    except LabelingError:
        return _hash(data), None
    short = len(str(slip.project_id)) <= _LONGEST_ID
    return _hash([str(slip.project_id), slip.content_hash]), slip.project_id if short else None


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


class EventFile:
    """The file, and what it comes to."""

    def __init__(self, path: Path) -> None:
        self._file = AppendOnlyFile(path, "--label-studio-events")
        self._known: set[str] = set()
        self._finished: set[str] = set()
        self.num_batches = 0
        """Batches of which a command was started."""
        self._in_batches = 0

    @property
    def num_waiting(self) -> int:
        """Finished tasks that belong to no batch yet."""
        return len(self._finished) - self._in_batches

    def open(self) -> None:
        """Open it, and read what is there.

        Raises:
            RunDirectoryError: it cannot be written, another server writes to it, or it is another file.
        """
        self._file.open()
        with self._file.path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    self._count(json.loads(line))
                except (ValueError, KeyError, TypeError) as fault:
                    self.close()
                    raise RunDirectoryError(
                        f"--label-studio-events {self._file.path}, line {number}: expected an event that this server "
                        "wrote, found another line; name a file of its own"
                    ) from fault

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def add(self, events: Sequence[Event]) -> int:
        """Keep those events that are not there yet; how many they were.

        Raises:
            OSError: it could not be stored.
        """
        new = 0
        for event in events:
            if event.event not in self._known:
                self._append(asdict(event))
                new += 1
        return new

    def begin_batch(self, size: int) -> int:
        """Note that the next `size` tasks belong to a batch, before anything is done with it; its number, from 1.

        Raises:
            OSError: it could not be stored.
        """
        self._append({"batch": self.num_batches + 1, "tasks": size})
        return self.num_batches

    def _append(self, row: Mapping[str, Any]) -> None:
        self._file.append(row)
        self._count(row)

    def _count(self, row: Mapping[str, Any]) -> None:
        if "batch" in row:
            self.num_batches = int(row["batch"])
            self._in_batches += int(row["tasks"])
            return
        self._known.add(row["event"])
        if row["answered"] and row["task"] is not None:
            self._finished.add(row["task"])
