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
from tagnet.labeling.tools.codec import SLIP, Replies, Reply, as_iso, as_name, read_rows, tag_list
from tagnet.records.json_files import describe

_EXPECTED = "a task of Prodigy's choice interface"
_ANSWERS = ("accept", "reject", "ignore")


@dataclass(frozen=True)
class Prodigy:
    """The codec."""

    name: str = "prodigy"

    def write(self, batch: TaskBatch, output: Path) -> Sequence[Path]:
        """Write the tasks; each holds all options, for so the interface wants it."""
        options = [{"id": tag, "text": tag} for tag in batch.tags]
        lines = [json.dumps(encode_task(task, options), ensure_ascii=False) + "\n" for task in batch.tasks]
        write_text(output, "".join(lines))
        return [output]

    def read(self, path: Path) -> Replies:
        """Read a `db-out`; tasks without an answer wait."""
        rows = read_rows(path, self.name, _EXPECTED)
        found = [(decode(row, place), row) for place, row in rows]
        replies = tuple(reply for reply, _ in found if reply is not None)
        tags = {
            option.get("id") for _, row in rows for option in row.get("options") or [] if isinstance(option, Mapping)
        }
        return Replies(
            replies,
            frozenset(tag for tag in tags if isinstance(tag, str)),
            tuple(row.get(SLIP) for reply, row in found if reply is None),
        )


def encode_task(task: LabelTask, options: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """A line of a stream for the choice interface, the shown tags ticked."""
    slip = task.slip
    return {
        "text": task.text,
        "options": list(options),
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
