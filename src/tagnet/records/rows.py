"""Rows from files of every format: what they hold, not yet whether it makes records.

JSON and JSON Lines are read with the standard library, since its errors know line and column; CSV, Parquet, saved
datasets and the hub go through the `datasets` library, batch by batch, without a copy in its cache.
"""

from __future__ import annotations

import contextlib
import csv
import json
import warnings
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
    """The rows of a file, a saved dataset, or `hub:NAME[:split]` (split `train` where none is named).

    Yields:
        (number, row), from 1: the place in a JSON array, the line in JSON Lines, the data row in all others. A row is
        a mapping, a `TextRow` where all cells are text; an `InvalidRow` where a JSON line is broken; or whatever else
        a JSON file holds in its place.

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
    header = _csv_header(path, separator)
    if not header:
        return
    datasets = _import_datasets(str(path))
    # Every cell is read as the text it is: "007", "NA" and "1e5" are not ours to interpret. No index column, or a
    # separator at the end of each line would silently shift all columns by one.
    dataset = _load(
        str(path),
        "csv",
        data_files=str(path),
        sep=separator,
        features=datasets.Features({name: datasets.Value("string") for name in header}),
        keep_default_na=False,
        index_col=False,
        split="train",
        streaming=True,
    )
    for number, row in _iter_dataset(dataset, str(path)):
        yield number, TextRow(row)


def _csv_header(path: Path, separator: str) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            header = next((row for row in csv.reader(stream, delimiter=separator) if row), [])
    except UnicodeDecodeError as fault:
        raise RecordError(f"{path}: expected UTF-8, found byte {fault.object[fault.start]:#04x}") from fault
    except (OSError, csv.Error) as fault:
        raise RecordError(f"{path}: the line of column names cannot be read ({fault})") from fault
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise RecordError(f"{path}: expected each column name once, found {', '.join(map(repr, twice))} twice")
    # pandas, which reads for datasets, gives columns without a name this one.
    return [name or f"Unnamed: {place}" for place, name in enumerate(header)]


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
    name, _, split = source.removeprefix(HUB).partition(":")
    _import_datasets(source)
    yield from _iter_dataset(_load(source, name, split=split or "train"), source)


def _import_datasets(place: str) -> Any:
    try:
        import datasets
    except ImportError as fault:
        raise MissingExtraError(
            f"{place}: reading this format needs the datasets library; install it with `pip install 'tagnet[train]'`, "
            "or use JSON or JSON Lines"
        ) from fault
    return datasets


def _load(place: str, name: str, **arguments: Any) -> Any:
    import datasets

    with _readable(place):
        return datasets.load_dataset(name, **arguments)


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
        with warnings.catch_warnings():
            # pandas only warns where it throws cells away because a row is longer than the header.
            warnings.filterwarnings("error", message="Length of header or names does not match")
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
