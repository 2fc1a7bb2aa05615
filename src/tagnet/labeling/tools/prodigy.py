"""Prodigy: the choice interface, JSONL in and `prodigy db-out` back.

Shapes are those of https://prodi.gy/docs/api-interfaces#choice (read; Prodigy is not free): `accept` holds the ids of
the ticked options, `answer` is accept, reject or ignore. Ignoring is skipping. Rejecting says that something is wrong,
not which tags are right: such answers go to review.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagnet.atomic import write_text
from tagnet.errors import LabelingError
from tagnet.labeling.tasks import LabelTask, TaskBatch, write_slip
from tagnet.labeling.tools.codec import SLIP, Replies, Reply, as_iso, as_name, most_wanted, read_rows, tag_list
from tagnet.records.json_files import describe

_EXPECTED = "a task of Prodigy's choice interface"
_ANSWERS = ("accept", "reject", "ignore")


@dataclass(frozen=True)
class Prodigy:
    """The codec."""

    name: str = "prodigy"
    max_choices: int = 400
    """The most tags to choose from, besides those that a task shows: each task repeats them."""

    def write(self, batch: TaskBatch, output: Path) -> Sequence[Path]:
        """Write the tasks; each holds all its options, for so the interface wants it."""
        tags = most_wanted(batch, self.max_choices)
        lines = [json.dumps(encode_task(task, tags), ensure_ascii=False) + "\n" for task in batch.tasks]
        write_text(output, "".join(lines))
        return [output]

    def read(self, path: Path) -> Replies:
        """Read a `db-out`; tasks without an answer wait."""
        replies: list[Reply] = []
        waiting: list[object] = []
        tags: set[str] = set()
        for place, row in read_rows(path, self.name, _EXPECTED):
            reply = decode(row, place)
            if reply is None:
                waiting.append(row.get(SLIP))
            else:
                replies.append(reply)
            options = row.get("options") or []
            tags.update(str(option["id"]) for option in options if isinstance(option, Mapping) and "id" in option)
        return Replies(tuple(replies), frozenset(tags), tuple(waiting))


def encode_task(task: LabelTask, tags: Sequence[str]) -> dict[str, Any]:
    """A line of a stream for the choice interface, the shown tags ticked."""
    slip = task.slip
    return {
        "text": task.text,
        "options": [{"id": tag, "text": tag} for tag in dict.fromkeys([*task.shown, *tags])],
        "accept": list(task.shown),
        "config": {"choice_style": "multiple"},
        "meta": {"project_id": slip.project_id},
        SLIP: write_slip(slip),
    }


def decode(row: Mapping[str, Any], place: str) -> Reply | None:
    """The reply in a line; None where it waits.

    Raises:
        LabelingError: it is no task of the choice interface.
    """
    answer = row.get("answer")
    if answer is None and "options" in row:
        return None
    if answer not in _ANSWERS:
        raise LabelingError(f"{place}: answer: expected {', '.join(_ANSWERS)}, found {describe(answer)}")
    return Reply(
        place=place,
        slip=row.get(SLIP),
        chosen=None if answer == "ignore" else tag_list(row.get("accept"), place, "accept"),
        text=row["text"] if isinstance(row.get("text"), str) else "",
        annotator=as_name(row.get("_annotator_id")) or as_name(row.get("_session_id")),
        at=as_iso(row.get("_timestamp")),
        comment=as_iso(row.get("comment")),
        unclear="reject says that something is wrong, and not which tags are right" if answer == "reject" else None,
        found={key: value for key, value in row.items() if key != "options"},
    )
