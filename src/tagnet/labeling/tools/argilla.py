"""Argilla 2: records with suggestions, and responses back.

Shapes are those of the Argilla SDK 2.8.0: a file of `dataset.records.to_json` and `Record.from_dict`, or the rows of
`to_list(flatten=True)` and `to_datasets`, whose columns are `tags.responses`, `tags.responses.users` and
`tags.responses.status`. Only the flat rows say that a response was discarded, which is skipping, or is a draft, which
is no answer yet; the SDK leaves that out of its nested JSON, so that the question also offers "[skip]". It offers
"[no tag]", too: a question without a value has no response in an export.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagnet.atomic import write_json
from tagnet.errors import LabelingError
from tagnet.labeling.tasks import LabelTask, TaskBatch, write_slip
from tagnet.labeling.tools.codec import (
    NO_TAG,
    SKIP,
    SLIP,
    Replies,
    Reply,
    as_iso,
    as_name,
    beside,
    read_rows,
    tag_list,
    write_rows,
)
from tagnet.records.json_files import describe

_QUESTION = "tags"
_VISIBLE = 20
"""Labels that are seen before "more"; Argilla wants at least three."""
_EXPECTED = "a record of Argilla"


@dataclass(frozen=True)
class Argilla:
    """The codec."""

    name: str = "argilla"

    def write(self, batch: TaskBatch, output: Path) -> Sequence[Path]:
        """Write the records, and the settings of a dataset that takes them."""
        settings = beside(output, "settings.json")
        write_rows(output, map(encode_task, batch.tasks))
        write_json(settings, dataset_settings(batch))
        return [output, settings]

    def read(self, path: Path) -> Replies:
        """Read the records; those without a response wait."""
        replies: list[Reply] = []
        waiting: list[object] = []
        for place, row in read_rows(path, self.name, _EXPECTED):
            found = list(decode(row, place))
            replies += found
            if not found:
                waiting.append(_metadata(row).get(SLIP))
        return Replies(tuple(replies), None, tuple(waiting))


def dataset_settings(batch: TaskBatch) -> dict[str, Any]:
    """What `rg.Settings.from_json` reads: a text field, and a question with all tags that may stay without a value."""
    labels = [*batch.tags, NO_TAG, SKIP]
    return {
        "guidelines": "Tick every tag that fits the text; [no tag] where none fits, [skip] where you cannot say.",
        "questions": [
            {
                "name": _QUESTION,
                "title": "Tags",
                "required": False,
                "settings": {
                    "type": "multi_label_selection",
                    "options": [{"value": label, "text": label} for label in labels],
                    "visible_options": min(_VISIBLE, len(labels)) if batch.tags else None,
                    "options_order": "suggestion",
                },
            }
        ],
        "fields": [
            {"name": "text", "title": "Text", "required": True, "settings": {"type": "text", "use_markdown": False}}
        ],
        "vectors": [],
        "metadata": [],
        "allow_extra_metadata": True,
    }


def encode_task(task: LabelTask) -> dict[str, Any]:
    """A record as `Record.from_dict` takes it."""
    slip = task.slip
    suggestions = {}
    if task.shown:
        versions = sorted({each.model_version for each in slip.shown if each.model_version})
        # A score a tag, or none at all: the author's tags that the model does not know have none.
        scores = [each.probability for each in slip.shown]
        suggestions[_QUESTION] = {
            "value": list(task.shown),
            "score": None if None in scores else scores,
            "agent": "+".join(versions) or "author",
        }
    return {
        "id": str(slip.project_id),
        "fields": {"text": task.text},
        "metadata": {"project_id": str(slip.project_id), SLIP: write_slip(slip)},
        "suggestions": suggestions,
        "responses": {},
        "vectors": {},
    }


def decode(row: Mapping[str, Any], place: str) -> Iterator[Reply]:
    """One reply a response; drafts are none.

    Raises:
        LabelingError: it is no record of Argilla.
    """
    fields = row.get("fields")
    text = fields.get("text") if isinstance(fields, Mapping) else row.get("text")
    nested = isinstance(row.get("responses"), Mapping) or isinstance(fields, Mapping)
    if not nested and "text" not in row:
        raise LabelingError(f"{place}: expected {_EXPECTED}, found the keys {', '.join(row) or 'none'}")
    for number, (value, user, status, at) in enumerate(_responses(row, place, nested=nested), 1):
        if status == "draft":
            continue
        yield Reply(
            place=f"{place}, response {number}",
            slip=_metadata(row).get(SLIP),
            chosen=None if status == "discarded" else tag_list(value, place, f"responses of {_QUESTION}"),
            text=text if isinstance(text, str) else "",
            annotator=as_name(user),
            at=as_iso(at),
            found=dict(row),
        )


def _metadata(row: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = row.get("metadata")
    return metadata if isinstance(metadata, Mapping) else row


def _responses(row: Mapping[str, Any], place: str, *, nested: bool) -> Iterator[tuple[object, object, object, object]]:
    """(value, user, status, time) of each response to our question."""
    if not nested:
        values = row.get(f"{_QUESTION}.responses") or []
        users = row.get(f"{_QUESTION}.responses.users") or [None] * len(values)
        states = row.get(f"{_QUESTION}.responses.status") or [None] * len(values)
        if not len(values) == len(users) == len(states):
            raise LabelingError(f"{place}: expected a user and a status for each of {len(values)} responses")
        yield from ((value, user, state, None) for value, user, state in zip(values, users, states, strict=True))
        return
    responses = (row.get("responses") or {}).get(_QUESTION) or []
    for each in [responses] if isinstance(responses, Mapping) else responses:
        if not isinstance(each, Mapping) or ("value" not in each and each.get("status") != "discarded"):
            raise LabelingError(f'{place}: responses: expected {{"value", "user_id"}}, found {describe(each)}')
        when = each.get("updated_at") or each.get("inserted_at")
        yield each.get("value"), each.get("user_id"), each.get("status"), when
