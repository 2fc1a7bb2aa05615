"""Rows as they stand: a version differs in tags alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.errors import LabelingError, RecordError
from tagnet.labeling.labelled_rows import LabelledRows, read_labelled_rows, render_version
from tagnet.records.io import load_records


def test_only_tags_change(records: LabelledRows, records_file: Path) -> None:
    before = json.loads(records_file.read_text())
    after = json.loads(render_version(records, {1: ("b", "c")}, Path("new.json")))
    assert [list(row) for row in after] == [list(row) for row in before]
    assert after[1]["tags"] == ["b", "c"]
    before[1]["tags"] = ["b", "c"]
    assert after == before
    lines = render_version(records, {1: ("b", "c")}, Path("new.jsonl")).splitlines()
    assert [json.loads(line) for line in lines] == before


def test_the_fingerprint_is_that_of_a_run(records: LabelledRows, records_file: Path) -> None:
    assert records.fingerprint == load_records(str(records_file), {}, "error", ["title"]).fingerprint


def test_rows_without_tags_are_as_good_as_others(write_rows: Callable[..., Path]) -> None:
    path = write_rows("r.json", [{"id": 1, "text": "x"}, {"id": 2, "text": "y", "tags": None}])
    records = read_labelled_rows(str(path), {})
    assert records.tags == ((), ())
    assert records.usual_features() == ("text",)
    assert json.loads(render_version(records, {0: ("a",)}, Path("n.json"))) == [
        {"id": 1, "text": "x", "tags": ["a"]},
        {"id": 2, "text": "y", "tags": None},
    ]


@pytest.mark.parametrize(
    ("cell", "tags", "expected"),
    [
        ("a,b", ("a",), "a"),
        ("a,b", (), '""'),
        ('"[""a"", ""b""]"', ("a",), '"[""a""]"'),
        ("a", ("a", "b, c"), '"[""a"", ""b, c""]"'),
        ("a", ("[x",), '"[""[x""]"'),
    ],
)
def test_a_cell_keeps_its_style(
    write_rows: Callable[..., Path], cell: str, tags: tuple[str, ...], expected: str
) -> None:
    quoted = cell if cell.startswith('"') else f'"{cell}"'
    path = write_rows("r.csv", f"id,title,tags\n1,x,{quoted}\n2,y,keep\n")
    records = read_labelled_rows(str(path), {})
    text = render_version(records, {0: tags}, Path("n.csv"))
    assert text.splitlines()[1].removeprefix("1,x,") == (expected if expected != '""' else "")
    assert text.splitlines()[2] == "2,y,keep"
    again = path.with_name("n.csv")
    again.write_text(text)
    assert read_labelled_rows(str(again), {}).tags == (tags, ("keep",))


def test_other_columns(write_rows: Callable[..., Path]) -> None:
    path = write_rows("r.json", [{"nr": "7", "name": "x", "labels": ["a"]}])
    records = read_labelled_rows(str(path), {"id": "nr", "title": "name", "tags": "labels"})
    assert (records.ids, records.tags, records.fields(0, ["title"])) == (("7",), (("a",),), {"title": "x"})
    assert json.loads(render_version(records, {0: ("b",)}, Path("n.json"))) == [
        {"nr": "7", "name": "x", "labels": ["b"]}
    ]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"id": 1, "tags": "a"}], "row 1: tags"),
        ([{"id": 1, "tags": []}, {"tags": []}], "row 2: id"),
        ([{"id": 1, "tags": []}, {"id": "1", "tags": []}], "row 2: id.*row 1"),
        ([3], "row 1"),
        ([], "empty"),
    ],
)
def test_bad_rows_are_named(write_rows: Callable[..., Path], rows: Any, words: str) -> None:
    with pytest.raises(RecordError, match=words):
        read_labelled_rows(str(write_rows("r.json", rows)), {})


def test_a_record_without_text_cannot_be_shown(write_rows: Callable[..., Path]) -> None:
    records = read_labelled_rows(str(write_rows("r.json", [{"id": 1, "title": " ", "tags": []}])), {})
    with pytest.raises(RecordError, match=r"row 1.*title"):
        records.records(["title"])


@pytest.mark.parametrize("name", ["n.csv", "n", "n.parquet"])
def test_the_format_stays(records: LabelledRows, name: str) -> None:
    with pytest.raises(LabelingError, match=r"\.json or \.jsonl"):
        render_version(records, {}, Path(name))
