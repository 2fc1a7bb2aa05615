"""The page of tagnet's own server: the lines of its annotations file. They only come in.

A line holds `project_id`, `at`, `model_version`, `annotator`, `record`, `shown`, `kept`, `added`, `removed` and
`comment`. The page sends no slip out: what it was asked about stands in the line itself.

What the page shows is more than what it ticks: beside the ticked tags, which an author keeps or removes, it has others
to add. One of those that was left alone was not turned down; it is no part of the answer.

A line without `project_id` is about a text that somebody typed. Where the records are given, it is an answer to the one
record of that text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from tagnet.errors import LabelingError
from tagnet.labeling.labelled_rows import LabelledRows
from tagnet.labeling.tasks import ShownTag, Slip, Source, TaskBatch, shown_text, tag_set_version, text_hash
from tagnet.labeling.tools.codec import Replies, Reply, as_iso, as_name, read_rows, tag_list
from tagnet.records.json_files import describe
from tagnet.records.record import RecordId, content_hash

_EXPECTED = "a line of the annotations that tagnet's server keeps"
_SOURCES: dict[str, Source] = {name: name for name in get_args(Source)}
_NOT_TEXT = ("id", "project_id", "tags", "created_on")


@dataclass(frozen=True)
class TagnetPage:
    """The codec; with `records`, lines without an id are looked up in them by their text."""

    name: str = "tagnet"
    records: LabelledRows | None = None

    def write(self, batch: TaskBatch, output: Path) -> Sequence[Path]:
        """Nothing is sent to the page.

        Raises:
            LabelingError: always.
        """
        raise LabelingError(
            "--tool tagnet: the server's page asks by itself; only `tagnet label import` knows this tool"
        )

    def read(self, path: Path) -> Replies:
        """Read the file."""
        by_text = _ByText(self.records)
        replies = tuple(decode(row, place, by_text) for place, row in read_rows(path, self.name, _EXPECTED))
        # The page lets people choose whatever its bundle knows, which the file does not say.
        tags = frozenset(tag for reply in replies for tag in reply.chosen or ())
        return Replies(replies, tags, (), surely_ours=True)


class _ByText:
    """Records by what stands in their fields."""

    def __init__(self, records: LabelledRows | None) -> None:
        self._records = records
        self._ids: dict[tuple[str, ...], dict[str, list[RecordId]]] = {}

    def find(self, fields: Mapping[str, str]) -> RecordId | LabelingError:
        """The id of the one record that has these fields, or why there is none."""
        if self._records is None:
            return LabelingError("its text came without a record's id; with --records it is looked up by its text")
        names = tuple(fields)
        if names not in self._ids:
            found = self._ids.setdefault(names, {})
            for place, identity in enumerate(self._records.ids):
                found.setdefault(content_hash(self._records.fields(place, names), names), []).append(identity)
        same = self._ids[names].get(content_hash(fields, names), [])
        if len(same) == 1:
            return same[0]
        return LabelingError(
            f"its text came without a record's id: expected one record of {self._records.source} with that text, "
            f"found {len(same)}"
        )


def decode(row: Mapping[str, Any], place: str, by_text: _ByText) -> Reply:
    """The reply in a line.

    Args:
        row: the line, parsed.
        place: where it stands, for messages.
        by_text: looks up texts that came without an id.

    Raises:
        LabelingError: a key is missing or of the wrong type.
    """
    for key in ("record", "shown", "kept", "added", "removed"):
        if key not in row:
            raise LabelingError(f"{place}: expected {_EXPECTED}, with the key {key}; found {', '.join(row) or 'none'}")
    kept, added = (tag_list(row[key], place, key) for key in ("kept", "added"))
    return Reply(
        place=place,
        slip=_slip(row, place, by_text),
        chosen=None if row.get("skipped") is True else kept + added,
        annotator=as_name(row.get("annotator")),
        at=as_iso(row.get("at")),
        comment=as_iso(row.get("comment")),
        found=dict(row),
    )


def _slip(row: Mapping[str, Any], place: str, by_text: _ByText) -> Slip | LabelingError:
    """What was asked, or why there is no record that could take the answer."""
    identity = row.get("project_id")
    if not isinstance(row["record"], Mapping) or not isinstance(row["shown"], list):
        raise LabelingError(f"{place}: expected an object as record and a list as shown, found {describe(row)}")
    fields = {key: each for key, each in row["record"].items() if key not in _NOT_TEXT and isinstance(each, str)}
    if not isinstance(identity, int | str) or isinstance(identity, bool) or identity == "":
        identity = by_text.find(fields)
        if isinstance(identity, LabelingError):
            return identity
    said = {each.tag: each for each in (_shown(each, row.get("model_version"), place) for each in row["shown"])}
    ticked = {*tag_list(row["kept"], place, "kept"), *tag_list(row["removed"], place, "removed")}
    shown = {tag: each for tag, each in said.items() if tag in ticked}
    for tag in (*tag_list(row["kept"], place, "kept"), *tag_list(row["removed"], place, "removed")):
        shown.setdefault(tag, ShownTag(tag, "author"))
    return Slip(
        project_id=identity,
        content_hash=content_hash(fields, tuple(fields)),
        features=tuple(fields),
        text_hash=text_hash(shown_text(fields)),
        tag_set=tag_set_version(shown),
        shown=tuple(shown.values()),
    )


def _shown(each: object, version: object, place: str) -> ShownTag:
    tag = each.get("tag") if isinstance(each, Mapping) else each
    if not isinstance(tag, str):
        raise LabelingError(f'{place}: shown: expected {{"tag", "probability", "source"}}, found {describe(each)}')
    said = each if isinstance(each, Mapping) else {}
    source, probability = said.get("source"), said.get("probability")
    return ShownTag(
        tag,
        _SOURCES.get(source if isinstance(source, str) else "", "model"),
        version if isinstance(version, str) else None,
        float(probability) if isinstance(probability, int | float) else None,
    )
