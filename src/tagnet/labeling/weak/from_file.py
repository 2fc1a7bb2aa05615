"""Labeling functions from a file: a list in YAML or JSON, or a Python module with `@labeling_function`s.

A list is `{"functions": [{"kind": …, "name": …, …}]}`; `KINDS` has what each kind takes. Paths in it are relative to
the file.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tagnet.errors import LabelingError, TagnetError, nearest
from tagnet.labeling.labelled_rows import read_labelled_rows
from tagnet.labeling.weak import models, words
from tagnet.labeling.weak.functions import LabelingFunction
from tagnet.records.json_files import describe, read_json, read_text
from tagnet.records.label_space import LabelSpace
from tagnet.records.record import render, text_template
from tagnet.records.sources import resolve_taxonomy
from tagnet.records.taxonomy import Taxonomy, load_taxonomy


@dataclass(frozen=True)
class Kind:
    """One kind of function in a list: which keys it takes, and what makes it."""

    needed: tuple[str, ...]
    optional: tuple[str, ...]
    make: Callable[[str, Mapping[str, Any], Setting], LabelingFunction]


@dataclass(frozen=True)
class Setting:
    """What a list of functions is read for."""

    folder: Path
    """Of the file; paths are relative to it."""
    tags: tuple[str, ...] | None
    """What may be voted for by functions that do not name their tags; None: they must."""
    taxonomy: Taxonomy | None
    features: tuple[str, ...]
    device: str


def load_functions(path: Path, setting: Setting) -> list[LabelingFunction]:
    """The functions of a file.

    Raises:
        LabelingError: it is missing or broken, or a function is not as its kind asks; the function is named.
    """
    if path.suffix == ".py":
        return _from_python(path)
    if path.suffix.lower() in (".yaml", ".yml"):
        try:
            content = yaml.safe_load(read_text(path, LabelingError))
        except yaml.YAMLError as fault:
            raise LabelingError(f"{path}: expected YAML, found a fault: {' '.join(str(fault).split())}") from fault
    else:
        content = read_json(path, "a list of labeling functions", LabelingError)
    rows = content.get("functions") if isinstance(content, Mapping) else content
    if not isinstance(rows, list) or not rows:
        raise LabelingError(f'{path}: expected {{"functions": [...]}} with at least one, found {describe(content)}')
    return [_from_row(path, number, row, setting) for number, row in enumerate(rows, start=1)]


def _from_row(path: Path, number: int, row: object, setting: Setting) -> LabelingFunction:
    place = f"{path}, function {number}"
    if not isinstance(row, Mapping) or not isinstance(row.get("name"), str):
        raise LabelingError(f"{place}: expected an object with a name, found {describe(row)}")
    place = f"{place} ({row['name']})"
    kind = KINDS.get(str(row.get("kind")))
    if kind is None:
        raise LabelingError(
            f"{place}: kind: expected {', '.join(KINDS)}; found {describe(row.get('kind'))}"
            f"{nearest(str(row.get('kind')), KINDS)}"
        )
    known = ("kind", "name", *kind.needed, *kind.optional)
    for key in row:
        if key not in known:
            raise LabelingError(f"{place}: {key}: there is no such key with kind {row['kind']}{nearest(key, known)}")
    for key in kind.needed:
        if key not in row:
            raise LabelingError(f"{place}: {key}: this key is missing")
    for key, value in row.items():
        expected = _EXPECTED.get(key)
        if expected is not None and not expected[1](value):
            raise LabelingError(f"{place}: {key}: expected {expected[0]}, found {describe(value)}")
    try:
        return kind.make(row["name"], row, setting)
    except LabelingError as fault:
        raise LabelingError(f"{place}: {fault}") from fault


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(isinstance(each, str) for each in value)


def _is_mapping_of_texts(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(k, str) and _is_texts(v) for k, v in value.items())


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_EXPECTED: dict[str, tuple[str, Callable[[object], bool]]] = {
    "tags": ("a list of tags", _is_texts),
    "any": ("a list of words or phrases", _is_texts),
    "fields": ("a list of columns", _is_texts),
    "pattern": ("a regular expression", lambda value: isinstance(value, str)),
    "vote": ("1 or -1", lambda value: value in (1, -1) and not isinstance(value, bool)),
    "absent": ("0 or -1", lambda value: value in (0, -1) and not isinstance(value, bool)),
    "values": ("an object of lists of tags", _is_mapping_of_texts),
    "column": ("the name of a column", lambda value: isinstance(value, str)),
    "file": ("a path", lambda value: isinstance(value, str)),
    "records": ("a path", lambda value: isinstance(value, str)),
    "bundle": ("a path", lambda value: isinstance(value, str)),
    "taxonomy": ("a path, or embedded or madewithml", lambda value: isinstance(value, str)),
    "positive": ("a number", _is_share),
    "negative": ("a number", _is_share),
}


def _keywords(name: str, row: Mapping[str, Any], setting: Setting) -> LabelingFunction:
    return words.keywords(name, row["tags"], row["any"], row.get("vote", 1), row.get("fields"))


def _pattern(name: str, row: Mapping[str, Any], setting: Setting) -> LabelingFunction:
    return words.pattern(name, row["tags"], row["pattern"], row.get("vote", 1), row.get("fields"))


def _names(name: str, row: Mapping[str, Any], setting: Setting) -> LabelingFunction:
    source = row.get("taxonomy")
    taxonomy = setting.taxonomy if source is None else load_taxonomy(_taxonomy_path(source, setting))
    tags = row.get("tags") or setting.tags or (taxonomy.tags if taxonomy is not None else ())
    if not tags:
        raise LabelingError("tags: expected tags to vote for, found none; name them, or a taxonomy")
    return words.names(name, tuple(tags), taxonomy, row.get("absent", 0), row.get("fields"))


def _taxonomy_path(source: str, setting: Setting) -> Path:
    beside = setting.folder / source
    return beside if beside.is_file() else resolve_taxonomy(source)


def _knowledge(name: str, row: Mapping[str, Any], setting: Setting) -> LabelingFunction:
    path = setting.folder / row["file"]
    content = read_json(path, "an object of phrases and their tags", LabelingError)
    if not _is_mapping_of_texts(content) or not content:
        raise LabelingError(f'{path}: expected {{"phrase": ["tag", …]}}, found {describe(content)}')
    return words.knowledge(name, content, row.get("vote", 1))


def _column(name: str, row: Mapping[str, Any], setting: Setting) -> LabelingFunction:
    return words.column(name, row["column"], row["values"], row.get("vote", 1))


def _bounds(row: Mapping[str, Any]) -> models.Bounds:
    return models.Bounds(float(row.get("positive", 0.7)), float(row.get("negative", 0.02)))


def _scores(name: str, row: Mapping[str, Any], setting: Setting) -> LabelingFunction:
    return models.scores(name, setting.folder / row["file"], _bounds(row))


def _bundle(name: str, row: Mapping[str, Any], setting: Setting) -> LabelingFunction:
    return models.bundle(name, setting.folder / row["bundle"], _bounds(row), setting.device)


def _tfidf(name: str, row: Mapping[str, Any], setting: Setting) -> LabelingFunction:
    rows = read_labelled_rows(str(setting.folder / row["records"]), {})
    labelled = [place for place, tags in enumerate(rows.tags) if tags]
    if not labelled:
        raise LabelingError(f"{rows.source}: expected records with tags to learn from, found none")
    records = rows.records(setting.features)
    seen = dict.fromkeys(tag for place in labelled for tag in rows.tags[place])
    tags = tuple(tag for tag in (row.get("tags") or setting.tags or seen) if tag in seen)
    y_LK = LabelSpace(tuple(sorted(tags))).encode([[t for t in rows.tags[p] if t in set(tags)] for p in labelled])
    template = text_template(setting.features)
    texts = [render(template, records[place].fields) for place in labelled]
    return models.tfidf(name, texts, y_LK, sorted(tags), _bounds(row))


KINDS: dict[str, Kind] = {
    "keywords": Kind(("tags", "any"), ("vote", "fields"), _keywords),
    "pattern": Kind(("tags", "pattern"), ("vote", "fields"), _pattern),
    "names": Kind((), ("tags", "taxonomy", "absent", "fields"), _names),
    "knowledge": Kind(("file",), ("vote",), _knowledge),
    "column": Kind(("column", "values"), ("vote",), _column),
    "scores": Kind(("file",), ("positive", "negative"), _scores),
    "bundle": Kind(("bundle",), ("positive", "negative"), _bundle),
    "tfidf": Kind(("records",), ("tags", "positive", "negative"), _tfidf),
}
"""Kind → what it takes."""


def _from_python(path: Path) -> list[LabelingFunction]:
    read_text(path, LabelingError)
    spec = importlib.util.spec_from_file_location(f"tagnet_labeling_functions_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # so that inspect finds the sources of its functions
    try:
        spec.loader.exec_module(module)
    except TagnetError:
        raise
    except Exception as fault:
        raise LabelingError(f"{path}: cannot be imported: {type(fault).__name__}: {fault}") from fault
    found: Sequence[LabelingFunction] = [each for each in vars(module).values() if isinstance(each, LabelingFunction)]
    if not found:
        raise LabelingError(f"{path}: expected functions with @labeling_function, found none")
    return list(found)
