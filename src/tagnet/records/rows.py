"""Rows from files of every format: what they hold, not yet whether it makes records.

JSON, JSON Lines and CSV are read with the standard library, since only so every fault has its line, and rows beside it
can still be used; Parquet, saved datasets and the hub go through the `datasets` library, batch by batch, without a copy
in its cache.
"""

from __future__ import annotations

import contextlib
import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagnet.errors import MissingExtraError, RecordError, nearest
from tagnet.records.json_files import check_is_file, describe, describe_fault, read_json

HUB = "hub:"
"""What a source on the Hugging Face hub begins with."""

_SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
_BATCH_ROWS = 1000


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """What is wrong with a row: the field as the file names it, what should be there, and what is."""

    field: str
    expected: str
    found: str


class TextRow(dict[str, object]):
    """A row of a format that knows only text (CSV): numbers and lists in it are written out."""


def iter_rows(source: str | Path) -> Iterator[tuple[int, object]]:
    """The rows of a file, a saved dataset, or `hub:NAME[:SUBSET][:SPLIT]` (split `train` where none is named).

    Yields:
        (number, row), from 1: the place in a JSON array, the line in JSON Lines, the data row in all others. A row is
        a mapping, a `TextRow` where all cells are text; an `InvalidRow` where a line of JSON Lines or CSV is broken;
        or whatever else a JSON file holds in its place.

    Raises:
        RecordError: the file is missing, of no known format, or cannot be read.
        MissingExtraError: the format needs the datasets library, and it is not installed.
    """
    if isinstance(source, str) and source.startswith(HUB):
        return _iter_hub(source)
    path = Path(source)
    if path.is_dir():
        return _iter_folder(path)
    check_is_file(path, RecordError)
    suffix = path.suffix.lower()
    if suffix == ".json":
        return _iter_json(path)
    if suffix in (".jsonl", ".ndjson"):
        return _iter_json_lines(path)
    if suffix in (".csv", ".tsv"):
        return _iter_csv(path, "," if suffix == ".csv" else "\t")
    if suffix == ".parquet":
        return _iter_parquet(path)
    raise RecordError(f"{path}: expected a file that ends in {', '.join(_SUFFIXES)}{nearest(suffix, _SUFFIXES)}")


def _iter_json(path: Path) -> Iterator[tuple[int, object]]:
    if path.stat().st_size == 0:
        return
    rows = read_json(path, "a JSON array of objects", RecordError)
    if not isinstance(rows, list):
        raise RecordError(
            f"{path}: expected a JSON array of objects, found {describe(rows)}\n"
            "A file with one object a line is JSON Lines: let its name end in .jsonl."
        )
    yield from enumerate(rows, start=1)


def _iter_json_lines(path: Path) -> Iterator[tuple[int, object]]:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    # Without its line break, or a line that ends too early would be reported as the next one.
                    yield number, json.loads(line.rstrip("\r\n"))
                except (ValueError, RecursionError) as fault:
                    yield number, InvalidRow("line", "a JSON object", describe_fault(fault, number))
    except UnicodeDecodeError as fault:
        raise RecordError(f"{path}: expected UTF-8, found byte {fault.object[fault.start]:#04x}") from fault
    except OSError as fault:
        raise RecordError(f"{path}: cannot be read ({fault.strerror or fault})") from fault


def _iter_csv(path: Path, separator: str) -> Iterator[tuple[int, object]]:
    # The module's own limit, 131,072 characters, is less than a long readme.
    csv.field_size_limit(max(csv.field_size_limit(), 2**31 - 1))
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = _csv_lines(csv.reader(stream, delimiter=separator, strict=True))
            header = next(lines, [])
            if isinstance(header, InvalidRow):
                raise RecordError(f"{path}: the line of column names cannot be read ({header.found})")
            twice = sorted({name for name in header if header.count(name) > 1})
            if twice:
                raise RecordError(f"{path}: expected each column name once, found {', '.join(map(repr, twice))} twice")
            # The name that pandas gives to the index that it writes without one.
            names = [name or f"Unnamed: {place}" for place, name in enumerate(header)]
            for number, cells in enumerate(lines, start=1):
                if isinstance(cells, InvalidRow):
                    yield number, cells
                elif len(cells) != len(names):
                    yield number, InvalidRow("row", f"{len(names)} cells, as in the first line", f"{len(cells)}")
                else:
                    yield number, TextRow(zip(names, cells, strict=True))
    except UnicodeDecodeError as fault:
        raise RecordError(f"{path}: expected UTF-8, found byte {fault.object[fault.start]:#04x}") from fault
    except OSError as fault:
        raise RecordError(f"{path}: cannot be read ({fault.strerror or fault})") from fault


def _csv_lines(reader: Iterator[list[str]]) -> Iterator[list[str] | InvalidRow]:
    """The cells of each line that is not empty, or what is wrong with it."""
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as fault:
            yield InvalidRow("row", "cells of CSV", str(fault))
            continue
        if cells:
            yield cells


def _iter_parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    _import_datasets(str(path))
    yield from _iter_dataset(
        _load(str(path), "parquet", data_files=str(path), split="train", streaming=True), str(path)
    )


def _iter_folder(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    several = path / "dataset_dict.json"
    if several.is_file():
        splits = read_json(several, "the splits of a dataset", RecordError)["splits"]
        raise RecordError(
            f"{path}: holds several splits ({', '.join(splits)}); name one of them, as {path / splits[0]}"
        )
    if not (path / "state.json").is_file():
        raise RecordError(
            f"{path}: expected a file, or a folder that datasets' save_to_disk wrote; found another folder"
        )
    datasets = _import_datasets(str(path))
    with _readable(str(path)):
        dataset = datasets.load_from_disk(str(path))
    yield from _iter_dataset(dataset, str(path))


def _iter_hub(source: str) -> Iterator[tuple[int, dict[str, Any]]]:
    # A split may have a part of its own in brackets: test[:10%].
    name, *rest = re.split(r":(?![^\[]*\])", source.removeprefix(HUB))
    if not name or len(rest) > 2:
        raise RecordError(f"{source}: expected hub:NAME, hub:NAME:SPLIT or hub:NAME:SUBSET:SPLIT")
    _import_datasets(source)
    subset = {"name": rest[0]} if len(rest) == 2 else {}
    yield from _iter_dataset(_load(source, name, split=rest[-1] if rest else "train", **subset), source)


def _import_datasets(place: str) -> Any:
    try:
        import datasets
    except ImportError as fault:
        raise MissingExtraError(
            f"{place}: reading this format needs the datasets library; install it with `pip install 'tagnet[train]'`, "
            "or use JSON or JSON Lines"
        ) from fault
    return datasets


def _load(place: str, path: str, **arguments: Any) -> Any:
    import datasets

    with _readable(place):
        return datasets.load_dataset(path, **arguments)


def _iter_dataset(dataset: Any, place: str) -> Iterator[tuple[int, dict[str, Any]]]:
    names_of = _class_names(dataset.features or {})
    batches = dataset.with_format("arrow").iter(batch_size=_BATCH_ROWS)
    number = 0
    while True:
        with _readable(place):
            batch = next(batches, None)
        if batch is None:
            return
        for row in batch.to_pylist():
            number += 1
            for column, names in names_of.items():
                row[column] = _named(row[column], names)
            yield number, row


def _class_names(features: Any) -> dict[str, list[str]]:
    """The names behind the numbers of each column that holds class labels, or lists of them."""
    inner = {column: getattr(feature, "feature", feature) for column, feature in features.items()}
    return {column: list(feature.names) for column, feature in inner.items() if type(feature).__name__ == "ClassLabel"}


def _named(value: Any, names: list[str]) -> Any:
    if isinstance(value, list):
        return [_named(item, names) for item in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else None


@contextlib.contextmanager
def _readable(place: str) -> Iterator[None]:
    """Turn whatever the datasets library raises into one error, and keep it from writing to the terminal."""
    import datasets

    level = datasets.logging.get_verbosity()
    bars = not datasets.are_progress_bars_disabled()
    try:
        datasets.logging.set_verbosity(datasets.logging.CRITICAL)
        datasets.disable_progress_bars()
        yield
    except Exception as fault:
        # datasets passes on errors of pandas, pyarrow, fsspec and httpx, which have no common class.
        reason = str(fault).strip().partition("\n")[0] or type(fault).__name__
        hint = "\nWithout a network, give the path of a file or folder instead." if place.startswith(HUB) else ""
        raise RecordError(f"{place}: cannot be read ({reason}){hint}") from fault
    finally:
        datasets.logging.set_verbosity(level)
        if bars:
            datasets.enable_progress_bars()
