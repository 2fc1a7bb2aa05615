"""Universal Data Tool: one `.udt.json` with its interface and samples, in and out.

Shapes are those of UniversalDataTool/udt-format, `interfaces/text_classification.md` and `validators/javascript`:
labels with an id, samples with a `document`, annotations as a list of ids, as `{"labels": […]}` or, for a single one,
as an id. The shown tags are the annotation with which a sample starts, so that every sample that has one counts as
answered; the label "[skip]" stands for skipping.
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
from tagnet.labeling.tools.codec import SKIP, SLIP, Replies, Reply, as_iso, tag_list
from tagnet.records.json_files import describe, read_json

_EXPECTED = "a .udt.json of a text classification, with interface and samples"


@dataclass(frozen=True)
class UniversalDataTool:
    """The codec."""

    name: str = "universal-data-tool"

    def write(self, batch: TaskBatch, output: Path) -> Sequence[Path]:
        """Write the whole dataset."""
        interface = {
            "type": "text_classification",
            "description": "Tick every tag that fits the text; [skip] where you cannot say.",
            "multiple": True,
            "labels": [{"id": tag, "displayName": tag} for tag in (*batch.tags, SKIP)],
        }
        whole = {"interface": interface, "samples": [encode_task(task) for task in batch.tasks]}
        write_text(output, json.dumps(whole, ensure_ascii=False) + "\n")
        return [output]

    def read(self, path: Path) -> Replies:
        """Read a dataset; samples without an annotation wait."""
        whole = read_json(path, _EXPECTED, LabelingError)
        interface, samples = (
            (whole.get("interface"), whole.get("samples")) if isinstance(whole, Mapping) else (None, None)
        )
        if not isinstance(interface, Mapping) or not isinstance(samples, list):
            raise LabelingError(f"{path}: expected {_EXPECTED}, found {describe(whole)}")
        replies: list[Reply] = []
        waiting: list[object] = []
        for number, row in enumerate(samples, 1):
            place = f"{path}, sample {number}"
            if not isinstance(row, Mapping):
                raise LabelingError(f"{place}: expected a sample, found {describe(row)}")
            if row.get("annotation") is None:
                waiting.append(row.get(SLIP))
            else:
                replies.append(decode(row, place))
        labels = [each.get("id") if isinstance(each, Mapping) else each for each in interface.get("labels") or []]
        return Replies(
            tuple(replies),
            frozenset(label for label in labels if isinstance(label, str) and label != SKIP),
            tuple(waiting),
        )


def encode_task(task: LabelTask) -> dict[str, Any]:
    """A sample; `customId` is the tool's own place for somebody else's id."""
    slip = task.slip
    return {
        "customId": str(slip.project_id),
        "document": task.text,
        "annotation": list(task.shown),
        "project_id": slip.project_id,
        SLIP: write_slip(slip),
    }


def decode(row: Mapping[str, Any], place: str) -> Reply:
    """The reply in a sample that has an annotation.

    Raises:
        LabelingError: the annotation is none of a text classification.
    """
    annotation = row["annotation"]
    if isinstance(annotation, Mapping):
        annotation = annotation.get("labels", annotation.get("label", annotation))
    return Reply(
        place=place,
        slip=row.get(SLIP),
        chosen=tag_list(annotation, place, "annotation"),
        text=row["document"] if isinstance(row.get("document"), str) else "",
        comment=as_iso(row.get("comment")),
        found=dict(row),
    )
