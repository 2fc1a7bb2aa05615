from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import datasets
import pytest

from tagnet.errors import MissingExtraError, RecordError
from tagnet.records.rows import InvalidRow, TextRow, iter_rows

ROWS: list[dict[str, Any]] = [
    {"id": 1, "title": 'quotes " and, commas', "tags": ["a", "arxiv:2005.10872 "]},
    {"id": 2, "title": "two\nlines – é", "tags": []},
    {"id": 3, "title": "NA", "tags": ["b"]},
]


def write_csv(path: Path, rows: list[list[str]], separator: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter=separator).writerows(rows)
    return path


def test_json_array_and_lines(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(ROWS))
    (tmp_path / "a.jsonl").write_text("\n\n".join(json.dumps(row) for row in ROWS) + "\n")
    (tmp_path / "a.ndjson").write_text("\ufeff" + "\n".join(json.dumps(row) for row in ROWS), encoding="utf-8")
    assert list(iter_rows(tmp_path / "a.json")) == list(enumerate(ROWS, start=1))
    assert list(iter_rows(tmp_path / "a.jsonl")) == list(zip([1, 3, 5], ROWS, strict=True))
    assert list(iter_rows(str(tmp_path / "a.ndjson"))) == list(enumerate(ROWS, start=1))


def test_a_broken_line_is_a_row_with_its_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 1}\n{"id": 2,]\n{"id": 3}\n{"id": 4,\n')
    rows = list(iter_rows(path))
    assert rows[0] == (1, {"id": 1})
    fault = "broken JSON at line 2, column 10 (Expecting property name enclosed in double quotes)"
    assert rows[1] == (2, InvalidRow("line", "a JSON object", fault))
    assert rows[2] == (3, {"id": 3})
    assert "broken JSON at line 4, column 10 (" in str(rows[3][1])


@pytest.mark.parametrize(("name", "separator"), [("a.csv", ","), ("a.tsv", "\t"), ("a.CSV", ",")])
def test_csv_cells_are_read_as_the_text_they_are(tmp_path: Path, name: str, separator: str) -> None:
    cells = [["id", "title"], ["007", 'quotes " and, commas'], ["2", "NA"], ["1e5", ""], ["null", "two\nlines – é"]]
    rows = list(iter_rows(write_csv(tmp_path / name, cells, separator)))
    assert rows == [(n, dict(zip(cells[0], line, strict=True))) for n, line in enumerate(cells[1:], start=1)]
    assert all(isinstance(row, TextRow) for _, row in rows)


def test_csv_of_many_lines_keeps_its_order(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", [["id"], *([str(n)] for n in range(2_500))])
    assert [(number, row) for number, row in iter_rows(path)] == [(n + 1, {"id": str(n)}) for n in range(2_500)]


def test_csv_with_a_mark_and_a_nameless_index(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\ufeff,id\n0,7\n", encoding="utf-8")
    assert list(iter_rows(path)) == [(1, {"Unnamed: 0": "0", "id": "7"})]


@pytest.mark.parametrize(
    ("line", "expected", "found"),
    [
        ("2", "2 cells, as in the first line", "1"),
        ("2,b,c", "2 cells, as in the first line", "3"),
        ("2,b,", "2 cells, as in the first line", "3"),
        ('2,"b" c', "cells of CSV", "',' expected after '\"'"),
    ],
)
def test_a_line_of_csv_that_would_lose_or_shift_cells_is_a_bad_row(
    tmp_path: Path, line: str, expected: str, found: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"id,title\n1,a\n\n{line}\n3,c\n")
    rows = [(1, {"id": "1", "title": "a"}), (2, InvalidRow("row", expected, found)), (3, {"id": "3", "title": "c"})]
    assert list(iter_rows(path)) == rows


def test_a_quote_of_csv_that_never_ends_is_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,title\n1,a\n2,"b\n3,c\n')
    assert list(iter_rows(path))[1:] == [(2, InvalidRow("row", "cells of CSV", "unexpected end of data"))]


def test_a_cell_of_csv_may_be_long(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", [["id", "readme"], ["1", "word " * 100_000]])
    assert list(iter_rows(path)) == [(1, {"id": "1", "readme": "word " * 100_000})]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("id,id\n1,2\n", r"a\.csv: expected each column name once, found 'id' twice"),
        ('id,"title\n1,a\n', r"a\.csv: the line of column names cannot be read \(unexpected end of data\)"),
    ],
)
def test_csv_whose_header_cannot_be_read_is_refused(tmp_path: Path, lines: str, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(lines)
    with pytest.raises(RecordError, match=message):
        list(iter_rows(path))


def test_csv_must_be_utf8(tmp_path: Path) -> None:
    for content in (b"id,t\xe9tle\n1,a\n", b"id,title\n1," + b"a" * 100_000 + b"\xe9\n"):
        path = tmp_path / "a.csv"
        path.write_bytes(content)
        with pytest.raises(RecordError, match=r"a\.csv: .*(UTF-8|utf-8)"):
            list(iter_rows(path))


def test_json_lines_must_be_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"id": "\xe9"}\n')
    with pytest.raises(RecordError, match=r"a\.jsonl: expected UTF-8, found byte 0xe9"):
        list(iter_rows(path))


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv"])
def test_an_empty_file_has_no_rows(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    assert list(iter_rows(tmp_path / name)) == []


def test_parquet_keeps_its_types(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = [{**row, "created_on": datetime(2021, 5, n + 1)} for n, row in enumerate(ROWS)]
    rows[1]["title"] = None
    table = datasets.Dataset.from_list(rows).data.table
    import pyarrow.parquet

    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert list(iter_rows(tmp_path / "a.parquet")) == list(enumerate(rows, start=1))
    assert capfd.readouterr() == ("", "")


def test_parquet_that_is_none(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.parquet").write_text("id,title\n")
    with pytest.raises(RecordError, match=r"a\.parquet: cannot be read \("):
        list(iter_rows(tmp_path / "a.parquet"))
    assert capfd.readouterr() == ("", "")


def test_a_saved_dataset_with_class_labels_gives_their_names(save_dataset: Callable[..., Path]) -> None:
    features = datasets.Features(
        {
            "id": datasets.Value("int64"),
            "labels": datasets.List(datasets.ClassLabel(names=["joy", "grief"])),
            "kind": datasets.ClassLabel(names=["x", "y"]),
        }
    )
    rows = [{"id": 1, "labels": [1, 0], "kind": 1}, {"id": 2, "labels": [], "kind": -1}]
    assert list(iter_rows(save_dataset("saved", rows, features))) == [
        (1, {"id": 1, "labels": ["grief", "joy"], "kind": "y"}),
        (2, {"id": 2, "labels": [], "kind": None}),
    ]


def test_a_folder_of_several_splits_names_them(tmp_path: Path, save_dataset: Callable[..., Path]) -> None:
    for split in ("train", "test"):
        save_dataset(f"all/{split}", ROWS)
    (tmp_path / "all" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(RecordError, match=r"holds several splits \(train, test\); name one of them, as .*all/train"):
        list(iter_rows(tmp_path / "all"))
    assert [row for _, row in iter_rows(tmp_path / "all" / "train")] == ROWS


def test_any_other_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="a folder that datasets' save_to_disk wrote; found another folder"):
        list(iter_rows(tmp_path))


@pytest.mark.parametrize(
    ("source", "asked"),
    [
        ("hub:org/name", ("org/name", None, "train")),
        ("hub:org/name:test[:10%]", ("org/name", None, "test[:10%]")),
        ("hub:org/name:small:test", ("org/name", "small", "test")),
        ("hub:org/name:small:test[5:10]", ("org/name", "small", "test[5:10]")),
    ],
)
def test_the_hub_is_asked_for_name_subset_and_split(
    monkeypatch: pytest.MonkeyPatch, source: str, asked: tuple[str, str | None, str]
) -> None:
    calls = []

    def load_dataset(path: str, name: str | None = None, *, split: str) -> datasets.Dataset:
        calls.append((path, name, split))
        return datasets.Dataset.from_list(ROWS)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert [row for _, row in iter_rows(source)] == ROWS
    assert calls == [asked]


@pytest.mark.parametrize("source", ["hub:", "hub::test", "hub:a:b:c:d"])
def test_a_name_on_the_hub_that_cannot_be_read(source: str) -> None:
    with pytest.raises(RecordError, match="expected hub:NAME, hub:NAME:SPLIT or hub:NAME:SUBSET:SPLIT"):
        list(iter_rows(source))


def test_the_hub_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(name: str, split: str) -> datasets.Dataset:
        raise ConnectionError(f"Couldn't reach {name!r} on the Hub\nlong story")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(
        RecordError, match=r"hub:org/name: cannot be read \(Couldn't reach 'org/name' on the Hub\)"
    ) as e:
        list(iter_rows("hub:org/name"))
    assert str(e.value).count("\n") == 1


def test_settings_of_datasets_are_left_as_they_were(save_dataset: Callable[..., Path]) -> None:
    saved = save_dataset("saved", ROWS)
    before = datasets.logging.get_verbosity(), datasets.are_progress_bars_disabled()
    list(iter_rows(saved))
    assert (datasets.logging.get_verbosity(), datasets.are_progress_bars_disabled()) == before


def test_without_the_datasets_library_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"")
    (tmp_path / "a.jsonl").write_text('{"id": 1}')
    write_csv(tmp_path / "a.csv", [["id"], ["1"]])
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"a\.parquet: .*pip install 'tagnet\[train\]'"):
        list(iter_rows(tmp_path / "a.parquet"))
    assert list(iter_rows(tmp_path / "a.jsonl")) == [(1, {"id": 1})]
    assert list(iter_rows(tmp_path / "a.csv")) == [(1, {"id": "1"})]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "x", r"expected a file that ends in \.json, \.jsonl"),
        ("a.jsnl", "x", r"did you mean \.jsonl"),
        (
            "a.json",
            '{"id": 1}',
            "expected a JSON array of objects, found {.*\nA file with one object a line is JSON Lines",
        ),
        ("a.json", '[{"id": 1}\n', "expected a JSON array of objects, found broken JSON at line 2, column 1"),
    ],
)
def test_files_that_hold_no_rows(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(RecordError, match=message):
        list(iter_rows(tmp_path / name))
    with pytest.raises(RecordError, match="no such file"):
        list(iter_rows(tmp_path / "gone.json"))
