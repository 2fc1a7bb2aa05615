"""doccano: text classification, JSONL in and out.

Shapes are those of doccano 1.8.4: https://doccano.github.io/doccano/ and, in doccano/doccano, `data_import/pipeline`
and `data_export/models.py`: every key that is not `text` or `label` becomes the example's meta, and comes back beside
`id`, `text`, `label` and `Comments`.

Export approved documents only: doccano gives suggestions out as labels, so that a document that nobody has looked at
could not be told from one that was confirmed. What was exported counts as answered. A zip of doccano's, with a file for
each annotator, is read as it is, and says who they were.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tagnet.atomic import write_json, write_text
from tagnet.errors import LabelingError
from tagnet.labeling.tasks import LabelTask, TaskBatch, write_slip
from tagnet.labeling.tools.codec import SKIP, SLIP, Replies, Reply, beside, parse_rows, read_rows, tag_list

_EXPECTED = "a document of doccano's JSONL export"
_EVERYBODY = ("all", "unknown")
"""Files of a zip that are no annotator's."""


@dataclass(frozen=True)
class Doccano:
    """The codec."""

    name: str = "doccano"

    def write(self, batch: TaskBatch, output: Path) -> Sequence[Path]:
        """Write the documents, and the labels to import into the project first."""
        labels = beside(output, "labels.json")
        # ASCII: doccano guesses the encoding of what it reads.
        lines = [json.dumps(encode_task(task), ensure_ascii=True) + "\n" for task in batch.tasks]
        write_text(output, "".join(lines))
        write_json(labels, [{"text": tag} for tag in (SKIP, *batch.tags)])
        return [output, labels]

    def read(self, path: Path) -> Replies:
        """Read an export, or the zip that holds it."""
        if not zipfile.is_zipfile(path):
            return Replies(tuple(decode(row, place) for place, row in read_rows(path, self.name, _EXPECTED)), None, ())
        replies = []
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                stem = Path(name).stem
                who = None if stem in _EVERYBODY else stem
                text = io.TextIOWrapper(archive.open(name), encoding="utf-8", errors="replace").read()
                for place, row in parse_rows(text, Path(f"{path}:{name}"), self.name, _EXPECTED):
                    replies.append(replace(decode(row, place), annotator=who))
        return Replies(tuple(replies), None, ())


def encode_task(task: LabelTask) -> dict[str, Any]:
    """A line of a JSONL import."""
    slip = task.slip
    return {"text": task.text, "label": list(task.shown), "project_id": slip.project_id, SLIP: write_slip(slip)}


def decode(row: Mapping[str, Any], place: str) -> Reply:
    """The reply in a line of an export.

    Raises:
        LabelingError: it is no document of a text classification.
    """
    if "text" not in row or not ("label" in row or "labels" in row):
        raise LabelingError(
            f"{place}: expected {_EXPECTED}, with the keys text and label; found {', '.join(row) or 'none'}"
        )
    comments = row.get("Comments", row.get("comments"))
    return Reply(
        place=place,
        slip=row.get(SLIP),
        chosen=tag_list(row.get("label", row.get("labels")), place, "label"),
        text=row["text"] if isinstance(row["text"], str) else "",
        comment="\n".join(tag_list(comments, place, "Comments")) or None,
        found=dict(row),
    )
