"""One row to one record, or to what is wrong with it."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from sys import intern

from tagnet.errors import nearest
from tagnet.records.json_files import describe
from tagnet.records.record import Record, RecordId
from tagnet.records.rows import InvalidRow, TextRow

_MISSING = object()
_RESERVED = ("id", "tags")


@dataclass(frozen=True)
class RowSchema:
    """What a row should hold."""

    columns: Mapping[str, str]
    """Our field name → the column's name in the file, for those that differ."""
    features: Sequence[str]
    """The fields that make the text."""
    need_tags: bool
    """False, for prediction: tags and dates are taken where they can be read and are never an error."""

    def column(self, name: str) -> str:
        """The file's name of one of our fields."""
        return self.columns.get(name, name)


def parse_row(row: object, schema: RowSchema) -> Record | InvalidRow:
    """The record that a row holds, or the first thing that is wrong with it.

    >>> schema = RowSchema({"title": "headline"}, ["title"], need_tags=True)
    >>> parse_row({"id": 1, "headline": "Sets", "tags": ["a", "b", "a"]}, schema)
    Record(id=1, fields={'title': 'Sets'}, tags=('a', 'b'), created_on=None)
    >>> parse_row({"id": 1, "headline": "Sets", "tags": "a"}, schema)
    InvalidRow(field='tags', expected='a list of strings', found='"a"')
    """
    if isinstance(row, InvalidRow):
        return row
    if not isinstance(row, Mapping):
        return InvalidRow("row", "an object", describe(row))
    record_id = parse_id(row, schema)
    if isinstance(record_id, InvalidRow):
        return record_id
    fields = _parse_fields(row, schema)
    if isinstance(fields, InvalidRow):
        return fields
    tags = parse_tags(row, schema)
    if isinstance(tags, InvalidRow):
        if schema.need_tags:
            return tags
        tags = ()
    created_on = _parse_date(row, schema)
    if isinstance(created_on, InvalidRow):
        if schema.need_tags:
            return created_on
        created_on = None
    return Record(record_id, fields, tags, created_on)


def parse_id(row: Mapping[str, object], schema: RowSchema) -> RecordId | InvalidRow:
    """The id of a row, or what is wrong with it."""
    column = schema.column("id")
    value = row.get(column, _MISSING)
    if isinstance(value, str) and _is_text(value) and value:
        # A CSV file cannot say that an id is a number; where the spelling is the number's own, nothing is lost.
        if (
            isinstance(row, TextRow)
            and value.isascii()
            and value.isdigit()
            and len(value) < 19
            and str(int(value)) == value
        ):
            return int(value)
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return InvalidRow(column, "an integer or a non-empty string", _found(value, column, row))


def _parse_fields(row: Mapping[str, object], schema: RowSchema) -> dict[str, str] | InvalidRow:
    fields = {}
    taken = {*_RESERVED, *schema.columns, *schema.columns.values()}
    pairs = [(name, name) for name in row if name not in taken]
    pairs += [(name, column) for name, column in schema.columns.items() if name not in _RESERVED]
    for name, column in pairs:
        value = row.get(column)
        text = value if isinstance(value, str) and value.isascii() else as_text(value)
        if text is not None:
            fields[intern(str(name))] = text
        elif name in schema.features:
            return InvalidRow(column, "text, a number, a list of strings, or null", describe(value))
    if not any(fields.get(name, "").strip() for name in schema.features):
        columns = ", ".join(schema.column(name) for name in schema.features)
        return InvalidRow(columns, "some text" + (" in at least one" if len(schema.features) > 1 else ""), "none")
    return fields


def as_text(value: object) -> str | None:
    """A field as text, or None for a value that is not one."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value if _is_text(value) else None
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return "" if math.isnan(value) else str(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list) and all(isinstance(item, str) and _is_text(item) for item in value):
        return ", ".join(value)
    return None


def _is_text(value: str) -> bool:
    """Whether UTF-8 can hold the string; half of a surrogate pair, which JSON can smuggle in, it cannot."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def parse_tags(row: Mapping[str, object], schema: RowSchema) -> tuple[str, ...] | InvalidRow:
    """The tags of a row, each once, or what is wrong with them."""
    column = schema.column("tags")
    value = row.get(column, _MISSING)
    tags = _split_cell(value) if isinstance(row, TextRow) and isinstance(value, str) else value
    if isinstance(tags, list | tuple) and all(isinstance(tag, str) and _is_text(tag) for tag in tags):
        # A million records bear the same few tags: one string each, whichever row it was read from.
        return tuple(dict.fromkeys(intern(str(tag)) for tag in tags))
    return InvalidRow(column, "a list of strings", _found(value, column, row))


def _split_cell(cell: str) -> object:
    """The tags in a cell of text: a JSON list where it begins with "[", else what stands between commas, untrimmed."""
    if cell.lstrip().startswith("["):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return None
    return [tag for tag in cell.split(",") if tag]


def _parse_date(row: Mapping[str, object], schema: RowSchema) -> datetime | InvalidRow | None:
    column = schema.column("created_on")
    value = row.get(column)
    if value is None or value == "":
        return None
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = datetime.fromisoformat(value.strip())
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    if isinstance(value, date):
        return datetime.combine(value, time())
    return InvalidRow(column, "a date, as 2021-05-10 or 2021-05-10 12:30:00", describe(value))


def _found(value: object, column: str, row: Mapping[str, object]) -> str:
    return "nothing" + nearest(column, map(str, row)) if value is _MISSING else describe(value)
