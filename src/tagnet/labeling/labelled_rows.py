"""The rows of a records file as they stand, so that a merged version differs from it in tags alone."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagnet.errors import LabelingError, RecordError
from tagnet.records.parse import RowSchema, as_text, parse_id, parse_tags
from tagnet.records.record import Record, RecordId
from tagnet.records.rows import InvalidRow, TextRow, iter_rows
from tagnet.records.sources import resolve_records

_USUAL_FEATURES = ("title", "description")
_JSON, _LINES, _TABLES = (".json",), (".jsonl", ".ndjson"), (".csv", ".tsv")


@dataclass(frozen=True)
class LabelledRows:
    """N rows of a records file."""

    source: str
    rows: tuple[Mapping[str, Any], ...]
    """As the file holds them."""
    ids: tuple[RecordId, ...]
    tags: tuple[tuple[str, ...], ...]
    """Each tag of a row once; none where it has no tags at all."""
    schema: RowSchema
    fingerprint: str
    """SHA-256, in hex, of the file's bytes: what a run that reads it records."""

    def fields(self, place: int, features: Sequence[str]) -> dict[str, str]:
        """The text fields of a row, "" for what is missing or no text."""
        row = self.rows[place]
        return {name: as_text(row.get(self.schema.column(name))) or "" for name in features}

    def records(self, features: Sequence[str]) -> list[Record]:
        """The rows as records of these text fields.

        Raises:
            RecordError: a row has no text.
        """
        records = []
        for place, (identity, tags) in enumerate(zip(self.ids, self.tags, strict=True)):
            fields = self.fields(place, features)
            if not any(value.strip() for value in fields.values()):
                raise RecordError(
                    f"{self.source}, row {place + 1}: expected some text in {', '.join(features)}, found none\n"
                    "Name the fields to show with --feature, or take the row out."
                )
            records.append(Record(identity, fields, tags, None))
        return records

    def usual_features(self) -> tuple[str, ...]:
        """Title and description where the first row has them, else all its texts but id, tags and date."""
        row = self.rows[0]
        usual = tuple(name for name in _USUAL_FEATURES if self.schema.column(name) in row)
        other = [key for key in row if key not in {self.schema.column(each) for each in ("id", "tags", "created_on")}]
        return usual or tuple(key for key in other if isinstance(row[key], str))


def read_labelled_rows(source: str, columns: Mapping[str, str]) -> LabelledRows:
    """Read every row of a records file; rows without tags are as good as others.

    Args:
        source: a path, `embedded`, `madewithml` or `goemotions`.
        columns: our field name → the column's name in the file, for those that differ.

    Raises:
        RecordError: the file cannot be read, a row has no usable id or broken tags, or two rows have one id.
    """
    path = resolve_records(source)
    schema = RowSchema(columns, (), need_tags=True)
    rows: list[Mapping[str, Any]] = []
    ids: list[RecordId] = []
    tags: list[tuple[str, ...]] = []
    first: dict[str, int] = {}
    for number, row in iter_rows(path):
        if not isinstance(row, Mapping):
            fault = row if isinstance(row, InvalidRow) else InvalidRow("row", "an object", "another value")
            raise _invalid(path, number, fault)
        identity = parse_id(row, schema)
        own = () if row.get(schema.column("tags")) is None else parse_tags(row, schema)
        for parsed in (identity, own):
            if isinstance(parsed, InvalidRow):
                raise _invalid(path, number, parsed)
        assert not isinstance(identity, InvalidRow)
        assert not isinstance(own, InvalidRow)
        if first.setdefault(str(identity), number) != number:
            fault = InvalidRow(
                schema.column("id"), "an id of its own", f"{identity!r}, that of row {first[str(identity)]}"
            )
            raise _invalid(path, number, fault)
        rows.append(row)
        ids.append(identity)
        tags.append(own)
    if not rows:
        raise RecordError(f"{path}: expected at least one record, found none; the file is empty")
    return LabelledRows(str(path), tuple(rows), tuple(ids), tuple(tags), schema, _fingerprint(path, rows))


def render_version(records: LabelledRows, changed: Mapping[int, Sequence[str]], output: Path) -> str:
    """The rows with other tags in some places, as the text of a file of the output's format.

    Args:
        records: N rows.
        changed: place, from 0 → the tags that the row shall have.
        output: its suffix says the format.

    Raises:
        LabelingError: rows of a table are to become JSON, the other way round, or something that is neither.
    """
    suffix = output.suffix.lower()
    is_table = isinstance(records.rows[0], TextRow)
    allowed = _TABLES if is_table else _JSON + _LINES
    if suffix not in allowed:
        raise LabelingError(
            f"--output {output}: expected a name that ends in {' or '.join(allowed)}, for the records are of that "
            f"format; found {suffix or 'no ending'}"
        )
    column = records.schema.column("tags")
    rows = [
        {**row, column: _cell(row.get(column), changed[place]) if is_table else list(changed[place])}
        if place in changed
        else row
        for place, row in enumerate(records.rows)
    ]
    if is_table:
        return _table(rows, "," if suffix == ".csv" else "\t")
    if suffix in _LINES:
        return "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
    return json.dumps(rows, indent=2, ensure_ascii=False, default=str) + "\n"


def _cell(before: object, tags: Sequence[str]) -> str:
    """Tags in a cell, as the records reader takes them: between commas, or a JSON list where it was, or must be."""
    as_list = str(before or "").lstrip().startswith("[")
    if as_list or any(not tag or "," in tag for tag in tags) or ",".join(tags).lstrip().startswith("["):
        return json.dumps(list(tags), ensure_ascii=False)
    return ",".join(tags)


def _table(rows: Sequence[Mapping[str, Any]], separator: str) -> str:
    stream = io.StringIO()
    names = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(stream, names, delimiter=separator, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _invalid(path: Path, number: int, fault: InvalidRow) -> RecordError:
    return RecordError(f"{path}, row {number}: {fault.field}: expected {fault.expected}, found {fault.found}")


def _fingerprint(path: Path, rows: Sequence[Mapping[str, Any]]) -> str:
    if path.is_file():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row, sort_keys=True, default=str).encode())
    return digest.hexdigest()
