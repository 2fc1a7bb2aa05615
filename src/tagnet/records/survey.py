"""A first look at records that are too many to be held: whether all can be used, how many they are, which they are.

What `load_records` checks is checked here too, in memory that does not grow with the file: ids are compared by 64-bit
hashes, which wait in a temporary file, and only where two are equal are the ids themselves looked at.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tagnet.errors import RecordError
from tagnet.records.io import AS_FLAGS, SkippedRow, check_columns, check_rows, hash_file, open_rows
from tagnet.records.parse import RowSchema, parse_row
from tagnet.records.record import Record, RecordId
from tagnet.records.rows import InvalidRow

_HASHES_AT_ONCE = 4_000_000
_REPORTED_EVERY = 10_000


@dataclass(frozen=True)
class Survey:
    """What a first look has found: every row can be used."""

    num_records: int
    fingerprint: str
    """SHA-256, in hex, of the file's bytes; of the rows where the source is a folder or on the hub."""


def survey_records(source: str, schema: RowSchema, progress: Callable[[int], object] = lambda rows: None) -> Survey:
    """Check every row of a source, one at a time.

    Args:
        source: as for `load_records`.
        schema: what a row should hold.
        progress: called with the number of rows seen, now and then.

    Raises:
        RecordError: as `load_records` raises it.
    """
    location, rows = open_rows(source)
    is_file = isinstance(location, Path) and location.is_file()
    row_hash = None if is_file else hashlib.sha256()
    columns: dict[str, None] = {}
    first_fault: SkippedRow | None = None
    num_records = num_faults = 0
    with tempfile.TemporaryFile() as hashes:
        for number, row in rows:
            if row_hash is not None:
                row_hash.update(json.dumps(row, sort_keys=True, default=str).encode())
            if isinstance(row, Mapping):
                columns.update(dict.fromkeys(row))
            parsed = parse_row(row, schema)
            if isinstance(parsed, Record):
                num_records += 1
                hashes.write(_hash_id(parsed.id))
            else:
                num_faults += 1
                first_fault = first_fault or _fault(location, number, parsed)
            if number % _REPORTED_EVERY == 0:
                progress(number)
        if columns:
            check_columns(str(location), schema, list(columns), AS_FLAGS)
        twice = _equal_hashes(hashes, num_records)
    faults = [] if first_fault is None else [first_fault]
    if twice:
        found = list(_ids_twice(source, schema, twice))
        faults += found
        num_faults += len(found)
    faults.sort(key=lambda fault: fault.row)
    check_rows(str(location), num_records, faults, num_faults, "error", AS_FLAGS)
    return Survey(num_records, hash_file(Path(location)) if row_hash is None else row_hash.hexdigest())


def iter_records(source: str, schema: RowSchema) -> Iterator[Record]:
    """The records of a source that was surveyed, one at a time.

    Raises:
        RecordError: it has changed since: a row cannot be used any more.
    """
    location, rows = open_rows(source)
    for number, row in rows:
        parsed = parse_row(row, schema)
        if not isinstance(parsed, Record):
            raise RecordError(f"{_fault(location, number, parsed)}\nThe file was changed while it was read.")
        yield parsed


def _fault(location: object, number: int, row: InvalidRow) -> SkippedRow:
    return SkippedRow(str(location), number, row.field, row.expected, row.found)


def _hash_id(identity: RecordId) -> bytes:
    return hashlib.blake2b(str(identity).encode(), digest_size=8).digest()


def _equal_hashes(hashes: BinaryIO, count: int) -> set[bytes]:
    """The hashes that occur more than once; a part of them is sorted at a time."""
    parts = -(-count // _HASHES_AT_ONCE)
    twice: set[bytes] = set()
    for part in range(parts):
        hashes.seek(0)
        kept = []
        while chunk := hashes.read(8 * _HASHES_AT_ONCE):
            values = np.frombuffer(chunk, dtype=np.uint64)
            kept.append(values[values % parts == part] if parts > 1 else values)
        values = np.sort(np.concatenate(kept))
        twice.update(value.tobytes() for value in values[1:][values[1:] == values[:-1]])
    return twice


def _ids_twice(source: str, schema: RowSchema, hashes: set[bytes]) -> Iterator[SkippedRow]:
    """The rows whose id another row before them has."""
    row_of_id: dict[str, int] = {}
    location, rows = open_rows(source)
    for number, row in rows:
        parsed = parse_row(row, schema)
        if isinstance(parsed, Record) and _hash_id(parsed.id) in hashes:
            first = row_of_id.setdefault(str(parsed.id), number)
            if first != number:
                found = f"{parsed.id!r}, the id of row {first} too"
                yield _fault(location, number, InvalidRow(schema.column("id"), "an id of its own", found))
