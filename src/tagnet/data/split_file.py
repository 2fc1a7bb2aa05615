"""Splits as files of ids: `{"train": [ids], "val": [ids], "test": [ids]}`, or several of these by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tagnet.atomic import write_json
from tagnet.data.sides import Split
from tagnet.errors import SplitError, nearest
from tagnet.records.json_files import describe, read_json
from tagnet.records.record import Record, RecordId

_SIDES = ("train", "val", "test")


@dataclass(frozen=True)
class GivenSplit:
    """A split as it stands in a file."""

    split: Split
    has_val: bool
    """Whether the file says what validates; if not, `split.val` is empty."""
    warnings: tuple[str, ...]


def load_split_file(
    path: Path,
    key: str | None,
    records: Sequence[Record],
    dropped_ids: Collection[RecordId] = (),
    num_skipped: int = 0,
) -> GivenSplit:
    """Read a split and find its ids among the records. Keys other than the three are ignored.

    Args:
        path: the file.
        key: which of the splits in the file, where it holds several.
        records: those that can be on a side; records that the file does not name are on none.
        dropped_ids: ids that were read, but whose records were left out as untagged: these are passed over.
        num_skipped: how many rows could not be used: so many ids may be unknown without an error.

    Raises:
        SplitError: the file cannot be read or is no split, an id is unknown, or stands twice, or train or test is
            empty.
    """
    ids_of = _ids_of(_choose(read_json(path, "a JSON object of ids", SplitError), key, path), path)
    index_of = {str(record.id): index for index, record in enumerate(records)}
    dropped = {str(record_id) for record_id in dropped_ids}
    _check_overlap(ids_of, path)
    unknown = [i for ids in ids_of.values() for i in ids if str(i) not in index_of and str(i) not in dropped]
    if len(unknown) > num_skipped:
        raise SplitError(
            f"{path}: expected ids of the records, found {len(unknown)} that no record has: {_some(unknown)}"
            f"{nearest(str(unknown[0]), index_of)}\n"
            "Is this the split of another data set, or does data.records hold only a part of it?"
        )
    sides = [
        np.array([index_of[str(i)] for i in ids_of[side] if str(i) in index_of], dtype=np.int64) for side in _SIDES
    ]
    split = Split(*sides)
    for side in ("train", "test"):
        if not len(split.sides()[side]):
            raise SplitError(f"{path}: {side}: expected at least one id of a record with a kept tag, found none")
    return GivenSplit(split, len(split.val) > 0, tuple(_warnings(path, ids_of, split, len(records), dropped, unknown)))


def ids_of_side(path: Path, key: str | None, side: str) -> frozenset[str]:
    """The ids, as text, of one side (train, val, test) of a split in a file.

    Raises:
        SplitError: the file cannot be read or is no split.
    """
    chosen = _choose(read_json(path, "a JSON object of ids", SplitError), key, path)
    return frozenset(map(str, _ids_of(chosen, path)[side]))


def save_split(path: Path, split: Split, records: Sequence[Record]) -> None:
    """Write the ids of each side, as they stand in the records, whole or not at all.

    Raises:
        RunDirectoryError: the file cannot be written.
    """
    write_json(path, {name: [records[index].id for index in side] for name, side in split.sides().items()})


def _choose(content: Any, key: str | None, path: Path) -> Mapping[str, Any]:
    expected = 'expected {"train": [ids], "val": [ids], "test": [ids]}'
    if not isinstance(content, Mapping):
        raise SplitError(f"{path}: {expected}, found {describe(content)}")
    names = [name for name, value in content.items() if isinstance(value, Mapping) and "train" in value]
    if key is None:
        if "train" in content:
            return content
        if names:
            raise SplitError(f"{path}: holds several splits; choose one with split.key={'|'.join(names)}")
        raise SplitError(f"{path}: {expected}, found the keys {list(content)}{nearest('train', content)}")
    if key not in names:
        held = f"only {', '.join(names)}" if names else "one split without a name; leave split.key out"
        raise SplitError(f"{path}: expected a split named {key!r} (split.key), found {held}{nearest(key, names)}")
    chosen: Mapping[str, Any] = content[key]
    return chosen


def _ids_of(chosen: Mapping[str, Any], path: Path) -> dict[str, list[RecordId]]:
    ids_of: dict[str, list[RecordId]] = {}
    for side in _SIDES:
        if side not in chosen and side != "val":
            raise SplitError(f"{path}: expected the key {side!r}, found only {list(chosen)}{nearest(side, chosen)}")
        ids = chosen.get(side)
        if ids is None and side == "val":
            ids = []
        if not isinstance(ids, list):
            raise SplitError(f"{path}: {side}: expected a list of ids, found {describe(ids)}")
        for number, record_id in enumerate(ids):
            if not isinstance(record_id, int | str) or isinstance(record_id, bool):
                raise SplitError(
                    f"{path}: {side}[{number}]: expected an id (number or text), found {describe(record_id)}"
                )
        ids_of[side] = ids
    return ids_of


def _check_overlap(ids_of: Mapping[str, Sequence[RecordId]], path: Path) -> None:
    side_of: dict[str, str] = {}
    twice: dict[str, tuple[str, str]] = {}
    for side, ids in ids_of.items():
        for record_id in ids:
            first = side_of.setdefault(str(record_id), side)
            if first != side:
                twice.setdefault(str(record_id), (first, side))
    if twice:
        some = [f"{record_id} in {first} and {second}" for record_id, (first, second) in list(twice.items())[:3]]
        raise SplitError(
            f"{path}: expected each id on one side, found {len(twice)} on two: {', '.join(some)}"
            f"{' …' if len(twice) > 3 else ''}; leave each to one side"
        )
    for side, ids in ids_of.items():
        again = [record_id for record_id in ids if side_of.pop(str(record_id), None) is None]
        if again:
            raise SplitError(f"{path}: {side}: expected each id once, found {len(again)} again: {_some(again)}")


def _warnings(
    path: Path,
    ids_of: Mapping[str, Sequence[RecordId]],
    split: Split,
    num_records: int,
    dropped: Collection[str],
    unknown: Sequence[RecordId],
) -> list[str]:
    warnings = []
    untagged = [record_id for ids in ids_of.values() for record_id in ids if str(record_id) in dropped]
    if untagged:
        warnings.append(
            f"{path}: {len(untagged)} id(s) whose records bear no kept tag are passed over: {_some(untagged)}"
        )
    if unknown:
        warnings.append(f"{path}: {len(unknown)} id(s) that no usable row has are passed over: {_some(unknown)}")
    outside = num_records - sum(len(side) for side in split.sides().values())
    if outside:
        warnings.append(f"{path}: {outside} record(s) that the split does not name are left out")
    return warnings


def _some(ids: Sequence[RecordId]) -> str:
    return ", ".join(repr(i) for i in ids[:5]) + (" …" if len(ids) > 5 else "")
