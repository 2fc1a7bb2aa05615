"""Records from anywhere: read, mapped to our names, checked row by row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagnet.errors import RecordError, nearest
from tagnet.records.parse import RowSchema, parse_row
from tagnet.records.record import Record
from tagnet.records.rows import HUB, InvalidRow, iter_rows
from tagnet.records.sources import resolve_records

GIVEN = "the given records"
"""How messages and data.json name rows that came from no file."""


@dataclass(frozen=True, slots=True)
class Hints:
    """The words in which errors say what to do, for they differ from command to command."""

    column: str
    """How a column is named; `{}` stands for our name of the field."""
    feature: str
    """What else can be done where the field is a feature."""
    bad_row: str
    """What to do about rows that cannot be used."""


AS_SETTINGS = Hints(
    "data.columns.{}=COLUMN",
    ", or leave it out of data.features",
    "data.on_invalid=skip leaves such rows out and says which",
)
"""Where a run is composed."""
AS_FLAGS = Hints("--column {}=COLUMN", "", "mend such rows, or take them out of the file")
"""Where a bundle is used."""


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A row that cannot be used, and why."""

    file: str
    row: int
    """From 1: the place in a JSON array, the line in JSON Lines, the data row in all others."""
    field: str
    """As the file names it."""
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.file}, row {self.row}: {self.field}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True)
class LoadedRecords:
    """The records of one source."""

    records: tuple[Record, ...]
    skipped: tuple[SkippedRow, ...]
    fingerprint: str
    """SHA-256, in hex, of the file's bytes; of the rows where the source is a folder or on the hub."""


def load_records(
    source: str | Iterable[Mapping[str, object]],
    columns: Mapping[str, str],
    on_invalid: str,
    features: Sequence[str],
    *,
    need_tags: bool = True,
    hints: Hints = AS_SETTINGS,
) -> LoadedRecords:
    """Read and check every row of a source.

    Args:
        source: `embedded`, `madewithml`, `goemotions`, `hub:NAME[:SUBSET][:SPLIT]`, or the path of a JSON array, JSON
            Lines, CSV or Parquet file or a saved dataset; or rows at hand, such as a list of dictionaries or a dataset.
        columns: our field name → the column's name in the file, for those that differ.
        on_invalid: `error`, or `skip`: rows that cannot be used end up in `LoadedRecords.skipped`.
        features: the fields that make the text.
        need_tags: False, for prediction: rows without tags are as good as others.
        hints: the words for what to do, in errors.

    Raises:
        RecordError: the source is missing or cannot be read, holds no usable row, lacks a column, or holds a row that
            cannot be used while `on_invalid` is `error`.
    """
    location, rows = open_rows(source)
    schema = RowSchema(columns, features, need_tags)
    records: list[Record] = []
    invalid: list[SkippedRow] = []
    row_of_id: dict[str, int] = {}
    columns_seen: dict[str, None] = {}
    row_hash = None if isinstance(location, Path) and location.is_file() else hashlib.sha256()
    for number, row in rows:
        if row_hash is not None:
            row_hash.update(json.dumps(row, sort_keys=True, default=str).encode())
        if isinstance(row, Mapping):
            columns_seen.update(dict.fromkeys(row))
        parsed = parse_row(row, schema)
        if isinstance(parsed, Record):
            first = row_of_id.setdefault(str(parsed.id), number)
            if first == number:
                records.append(parsed)
                continue
            parsed = InvalidRow(schema.column("id"), "an id of its own", f"{parsed.id!r}, the id of row {first} too")
        invalid.append(SkippedRow(str(location), number, parsed.field, parsed.expected, parsed.found))
    if columns_seen:
        check_columns(str(location), schema, list(columns_seen), hints)
    check_rows(str(location), len(records), invalid, len(invalid), on_invalid, hints)
    fingerprint = row_hash.hexdigest() if row_hash is not None else hash_file(Path(location))
    return LoadedRecords(tuple(records), tuple(invalid), fingerprint)


def check_columns(place: str, schema: RowSchema, seen: list[str], hints: Hints) -> None:
    """Refuse a source none of whose rows has a column that is needed.

    Raises:
        RecordError: it names the column, and the nearest that there is.
    """
    needed = dict.fromkeys(["id", *(["tags"] if schema.need_tags else []), *schema.features])
    if schema.need_tags:
        needed.update(dict.fromkeys(schema.columns))
    for name in needed:
        column = schema.column(name)
        if column not in seen:
            shown = ", ".join(seen[:12]) + (", …" if len(seen) > 12 else "")
            raise RecordError(
                f"{place}: no row, from row 1 on, has a column {column!r}; there are {shown}{nearest(column, seen)}\n"
                f"Say which column holds it: {hints.column.format(name)}"
                f"{hints.feature if name in schema.features else ''}."
            )


def check_rows(
    place: str, num_records: int, invalid: Sequence[SkippedRow], num_invalid: int, on_invalid: str, hints: Hints
) -> None:
    """Refuse a source with rows that cannot be used, or without any that can.

    Args:
        place: the source.
        num_records: rows that can be used.
        invalid: rows that cannot, at least the first one.
        num_invalid: how many these are.
        on_invalid: `error` or `skip`.
        hints: the words for what to do.

    Raises:
        RecordError: it names the first of them.
    """
    if invalid and on_invalid == "error":
        others = f"{num_invalid - 1} more rows cannot be used" if num_invalid > 1 else "All other rows can be used"
        raise RecordError(f"{invalid[0]}\n{others}; {hints.bad_row}.")
    if invalid and not num_records:
        raise RecordError(f"{place}: none of the {num_invalid} rows can be used; the first:\n{invalid[0]}")
    if not num_records:
        raise RecordError(f"{place}: expected at least one record, found none; the file is empty")


def open_rows(source: str | Iterable[Mapping[str, object]]) -> tuple[str | Path, Iterator[tuple[int, object]]]:
    """Where the rows come from, as messages name it, and the rows with their numbers."""
    if not isinstance(source, str):
        return GIVEN, enumerate(source, 1)
    location = source if source.startswith(HUB) else resolve_records(source)
    return location, iter_rows(location)


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
