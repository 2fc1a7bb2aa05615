"""Slices that people name: in a list (YAML or JSON), or in Python with `@slice_function`."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import yaml

from tagnet.errors import DataError, TagnetError, nearest
from tagnet.evaluation.slices.judged import Judged
from tagnet.evaluation.slices.report import Slice
from tagnet.records.json_files import describe, read_json, read_text
from tagnet.records.plain_words import plain_words

_KEYS = ("name", "tags", "without_tags", "words", "fields", "missing", "shorter_than", "longer_than", "from", "until")


@dataclass(frozen=True)
class SliceExample:
    """One record as a slice function sees it."""

    fields: Mapping[str, str]
    text: str
    tags: tuple[str, ...]
    """Of its tags, those that the function has said it would look at."""
    created_on: datetime | None


@dataclass(frozen=True)
class SliceFunction:
    """A named condition in Python."""

    name: str
    holds: Callable[[SliceExample], bool]
    tags: tuple[str, ...] = ()


def slice_function(name: str, tags: Sequence[str] = ()) -> Callable[[Callable[[SliceExample], bool]], SliceFunction]:
    """Name a slice by a Python function of one record.

    Args:
        name: of the slice.
        tags: what it wants to see of a record's tags. The model is not judged there by these tags: whoever chooses
            records by a tag that they bear has chosen what the model could not know.

    >>> @slice_function("shouting")
    ... def shouts(example):
    ...     return example.text.isupper()
    >>> shouts.holds(SliceExample({}, "LOUD", (), None))
    True
    """
    return lambda function: SliceFunction(name, function, tuple(tags))


def load_slices(path: Path, judged: Judged) -> list[Slice]:
    """The slices of a list, or of a Python file.

    In a list each slice is an object with a name and conditions, all of which must hold: `tags`, `without_tags`,
    `words` (any of them), `fields` (column → value), `missing` (columns without text), `shorter_than`, `longer_than`
    (words of the text), `from`, `until` (dates, the second not included).

    Raises:
        DataError: the file is missing or broken, or a slice has an unknown key; the slice is named.
    """
    if path.suffix == ".py":
        return [_of_function(path, each, judged) for each in _functions(path)]
    if path.suffix.lower() in (".yaml", ".yml"):
        try:
            content = yaml.safe_load(read_text(path, DataError))
        except yaml.YAMLError as fault:
            raise DataError(f"{path}: expected YAML, found a fault: {' '.join(str(fault).split())}") from fault
    else:
        content = read_json(path, "a list of slices", DataError)
    rows = content.get("slices") if isinstance(content, Mapping) else content
    if not isinstance(rows, list) or not rows:
        raise DataError(f'{path}: expected {{"slices": [...]}} with at least one, found {describe(content)}')
    return [_of_row(f"{path}, slice {number}", row, judged) for number, row in enumerate(rows, start=1)]


def _of_row(place: str, row: object, judged: Judged) -> Slice:
    if not isinstance(row, Mapping) or not isinstance(row.get("name"), str) or len(row) < 2:
        raise DataError(f"{place}: expected an object with a name and a condition, found {describe(row)}")
    for key in row:
        if key not in _KEYS:
            raise DataError(f"{place} ({row['name']}): {key}: there is no such key{nearest(str(key), _KEYS)}")
    member_N = np.ones(len(judged.ids), dtype=bool)
    columns: dict[int, None] = {}
    for key in ("tags", "without_tags"):
        for tag in _list(place, row, key):
            if tag not in judged.tags:
                raise DataError(f"{place}: {key}: {tag!r} is none of the tags{nearest(tag, judged.tags)}")
            columns[judged.tags.index(tag)] = None
            bears_N = judged.y_NK[:, judged.tags.index(tag)] > 0
            member_N &= bears_N if key == "tags" else ~bears_N
    words = [f" {plain_words(word)} " for word in _list(place, row, "words")]
    if words:
        plain = [f" {plain_words(text)} " for text in judged.texts]
        member_N &= np.array([any(word in text for word in words) for text in plain], dtype=bool)
    fields = row.get("fields", {})
    if not isinstance(fields, Mapping):
        raise DataError(f"{place}: fields: expected column → value, found {describe(fields)}")
    for name, value in fields.items():
        _check_column(place, "fields", str(name), judged)
        member_N &= np.array([each.get(str(name), "") == str(value) for each in judged.fields], dtype=bool)
    for name in _list(place, row, "missing"):
        _check_column(place, "missing", name, judged)
        member_N &= np.array([not each.get(name, "").strip() for each in judged.fields], dtype=bool)
    length_N = np.array([len(plain_words(text).split()) for text in judged.texts])
    member_N &= length_N < _number(place, row, "shorter_than", np.inf)
    member_N &= length_N > _number(place, row, "longer_than", -1)
    for key in ("from", "until"):
        if key in row:
            moment = _date(place, key, row[key])
            member_N &= np.array(
                [date is not None and (date >= moment if key == "from" else date < moment) for date in judged.dates],
                dtype=bool,
            )
    return Slice(row["name"], "named", member_N, None, tuple(columns))


def _list(place: str, row: Mapping[str, object], key: str) -> Sequence[str]:
    found = row.get(key, [])
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise DataError(f"{place}: {key}: expected a list of texts, found {describe(found)}")
    return found


def _number(place: str, row: Mapping[str, object], key: str, default: float) -> float:
    found = row.get(key, default)
    if not isinstance(found, int | float) or isinstance(found, bool):
        raise DataError(f"{place}: {key}: expected a number of words, found {describe(found)}")
    return float(found)


def _date(place: str, key: str, value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
        # As those of records: in UTC, where a time zone is given.
        return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    except ValueError as fault:
        raise DataError(f"{place}: {key}: expected a date such as 2020-04-01, found {describe(value)}") from fault


def _check_column(place: str, key: str, name: str, judged: Judged) -> None:
    columns = {column for fields in judged.fields for column in fields}
    if name not in columns:
        raise DataError(f"{place}: {key}: no record has the column {name!r}{nearest(name, columns)}")


def _functions(path: Path) -> list[SliceFunction]:
    read_text(path, DataError)
    spec = importlib.util.spec_from_file_location(f"tagnet_slices_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except TagnetError:
        raise
    except Exception as fault:
        raise DataError(f"{path}: cannot be imported: {type(fault).__name__}: {fault}") from fault
    found = [each for each in vars(module).values() if isinstance(each, SliceFunction)]
    if not found:
        raise DataError(f"{path}: expected functions with @slice_function, found none")
    return found


def _of_function(path: Path, function: SliceFunction, judged: Judged) -> Slice:
    for tag in function.tags:
        if tag not in judged.tags:
            raise DataError(f"{path}: slice {function.name!r}: {tag!r} is none of the tags{nearest(tag, judged.tags)}")
    columns = tuple(judged.tags.index(tag) for tag in function.tags)
    member = []
    for n in range(len(judged.ids)):
        tags = tuple(judged.tags[k] for k in columns if judged.y_NK[n, k])
        example = SliceExample(judged.fields[n], judged.texts[n], tags, judged.dates[n])
        try:
            member.append(bool(function.holds(example)))
        except Exception as fault:
            raise DataError(
                f"{path}: slice {function.name!r}, record {judged.ids[n]!r}: {type(fault).__name__}: {fault}; let the "
                "function return False for records of which it cannot say"
            ) from fault
    return Slice(function.name, "named", np.array(member, dtype=bool), None, columns)
