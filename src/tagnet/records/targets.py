"""Targets that stand in for tags: a probability a record and tag, or that it is unknown; a file of JSON Lines.

The first line is `{"tagnet_targets": 1, "tags": [K tags], …}`, each other one `{"id": 7, "targets": [K numbers]}`, with
null for what is unknown.
N records, K tags.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagnet.atomic import write_text
from tagnet.errors import RecordError
from tagnet.records.json_files import describe, describe_fault, read_text
from tagnet.records.record import RecordId

_VERSION = 1
_HEAD = 'a first line {"tagnet_targets": 1, "tags": [...]}'


@dataclass(frozen=True)
class GivenTargets:
    """What a file of targets says."""

    source: str
    tags: tuple[str, ...]
    ids: tuple[RecordId, ...]
    targets_NK: NDArray[np.float32]
    """In [0, 1]; 0 where it is unknown."""
    known_NK: NDArray[np.bool_]
    fingerprint: str
    """SHA-256, in hex, of the file's bytes."""


def write_targets(
    path: Path,
    tags: Sequence[str],
    ids: Sequence[RecordId],
    targets_NK: NDArray[np.floating[Any]],
    known_NK: NDArray[np.bool_],
    made_by: Mapping[str, Any],
) -> None:
    """Write targets, whole or not at all, rounded to five places; `made_by` is kept in the first line.

    Raises:
        RunDirectoryError: the file cannot be written.
    """
    head = {"tagnet_targets": _VERSION, "tags": list(tags), **made_by}
    lines = [json.dumps(head, ensure_ascii=False)]
    for identity, targets_K, known_K in zip(ids, targets_NK.tolist(), known_NK.tolist(), strict=True):
        row = [round(value, 5) if known else None for value, known in zip(targets_K, known_K, strict=True)]
        lines.append(json.dumps({"id": identity, "targets": row}, ensure_ascii=False))
    write_text(path, "\n".join(lines) + "\n")


def read_targets(path: Path) -> GivenTargets:
    """Read a file of targets.

    Raises:
        RecordError: it is missing or broken; the line is named.
    """
    lines = read_text(path, RecordError).splitlines()
    if not lines:
        raise RecordError(f"{path}: expected {_HEAD}, found an empty file")
    tags = _tags(path, _parse(path, 1, lines[0]))
    ids: list[RecordId] = []
    rows: list[list[float]] = []
    first: dict[str, int] = {}
    for number, line in enumerate(lines[1:], start=2):
        identity, row = _row(path, number, _parse(path, number, line), len(tags))
        if first.setdefault(str(identity), number) != number:
            raise RecordError(
                f"{path}, line {number}: id: expected an id of its own, found {identity!r}, "
                f"that of line {first[str(identity)]}"
            )
        ids.append(identity)
        rows.append(row)
    values_NK = np.asarray(rows, dtype=np.float32).reshape(len(rows), len(tags))
    known_NK = ~np.isnan(values_NK)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return GivenTargets(str(path), tags, tuple(ids), np.where(known_NK, values_NK, np.float32(0)), known_NK, digest)


def _parse(path: Path, number: int, line: str) -> Mapping[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as fault:
        raise RecordError(f"{path}: expected an object in each line, found {describe_fault(fault, number)}") from fault
    if not isinstance(value, dict):
        raise RecordError(f"{path}, line {number}: expected an object, found {describe(value)}")
    return value


def _tags(path: Path, head: Mapping[str, Any]) -> tuple[str, ...]:
    tags = head.get("tags")
    if head.get("tagnet_targets") != _VERSION or not isinstance(tags, list):
        raise RecordError(f"{path}: expected {_HEAD}, found {describe(head)}; `tagnet label weak` writes such files")
    if not all(isinstance(tag, str) for tag in tags) or len(set(tags)) != len(tags) or not tags:
        raise RecordError(f"{path}, line 1: tags: expected at least one tag, each once, found {describe(tags)}")
    return tuple(tags)


def _row(path: Path, number: int, row: Mapping[str, Any], num_tags: int) -> tuple[RecordId, list[float]]:
    identity, targets = row.get("id"), row.get("targets")
    if not isinstance(identity, int | str) or isinstance(identity, bool):
        raise RecordError(f"{path}, line {number}: id: expected a number or text, found {describe(identity)}")
    if not isinstance(targets, list) or len(targets) != num_tags:
        found = f"{len(targets)}" if isinstance(targets, list) else describe(targets)
        raise RecordError(f"{path}, line {number}: targets: expected a list of {num_tags}, found {found}")
    for value in targets:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (is_number and 0 <= value <= 1):
            raise RecordError(
                f"{path}, line {number}: targets: expected numbers from 0 to 1, or null where a tag is unknown, "
                f"found {describe(value)}"
            )
    return identity, [np.nan if value is None else float(value) for value in targets]
