"""superintendent: a table for its queue, and the table with labels back.

superintendent 0.6.0 (https://superintendent.readthedocs.io) has no file format: its queue and widgets take a DataFrame.
The file is the one that pandas writes and reads: `pandas.read_json(FILE, dtype=False)` gives the DataFrame, with the
columns `text` (the widget's features), `labels` (its labels, a list a row), `project_id` and ours. Write it back with
`frame.to_json(FILE, orient="records")`; pandas' own default, `columns`, and `split` are read, too. A row whose labels
are null waits; a row with `skipped` is skipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagnet.atomic import write_json
from tagnet.errors import LabelingError
from tagnet.labeling.tasks import LabelTask, TaskBatch, write_slip
from tagnet.labeling.tools.codec import SLIP, Replies, Reply, as_iso, as_name, beside, read_rows, tag_list, write_rows

_EXPECTED = "a table that pandas wrote, with the columns text, labels and tagnet"


@dataclass(frozen=True)
class Superintendent:
    """The codec."""

    name: str = "superintendent"

    def write(self, batch: TaskBatch, output: Path) -> Sequence[Path]:
        """Write the table, and the options of the widget beside it."""
        options = beside(output, "options.json")
        write_rows(output, map(encode_task, batch.tasks))
        write_json(options, list(batch.tags))
        return [output, options]

    def read(self, path: Path) -> Replies:
        """Read the table; rows without labels wait."""
        rows = _rows(path, self.name)
        replies: list[Reply] = []
        waiting: list[object] = []
        for place, row in rows:
            labels = next((row[key] for key in ("labels", "label") if key in row), None)
            if "text" not in row or not {"labels", "label"} & row.keys():
                raise LabelingError(f"{place}: expected {_EXPECTED}; found {', '.join(map(str, row)) or 'none'}")
            skipped = row.get("skipped") is True or row.get("skipped") == 1
            if labels is None and not skipped:
                waiting.append(row.get(SLIP))
                continue
            replies.append(
                Reply(
                    place=place,
                    slip=row.get(SLIP),
                    chosen=None if skipped else tag_list(labels, place, "labels"),
                    text=row["text"] if isinstance(row["text"], str) else "",
                    annotator=as_name(row.get("annotator")),
                    at=as_iso(row.get("at")),
                    comment=as_iso(row.get("comment")),
                    found=dict(row),
                )
            )
        return Replies(tuple(replies), None, tuple(waiting))


def encode_task(task: LabelTask) -> dict[str, Any]:
    """A row of the table; its labels are the shown tags."""
    slip = task.slip
    return {
        "project_id": slip.project_id,
        "text": task.text,
        "labels": list(task.shown),
        "skipped": False,
        "annotator": None,
        "at": None,
        "comment": None,
        SLIP: write_slip(slip),
    }


def _rows(path: Path, tool: str) -> list[tuple[str, Mapping[str, Any]]]:
    """The rows of a table in the orient records, columns or split of pandas."""
    rows = list(read_rows(path, tool, _EXPECTED))
    if len(rows) != 1 or not {"text", "columns"} & rows[0][1].keys():
        return rows
    place, whole = rows[0]
    if isinstance(whole.get("data"), list) and isinstance(whole.get("columns"), list):
        return [
            (f"{place}, row {number}", dict(zip(whole["columns"], cells, strict=False)))
            for number, cells in enumerate(whole["data"], 1)
        ]
    if isinstance(whole.get("text"), Mapping):
        return [
            (
                f"{place}, row {key}",
                {name: column.get(key) for name, column in whole.items() if isinstance(column, Mapping)},
            )
            for key in whole["text"]
        ]
    return rows
