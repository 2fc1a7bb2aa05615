from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import hypothesis.strategies as st
import pytest
from hypothesis import given

from tagnet.errors import DataError, RecordError
from tagnet.records.io import AS_FLAGS, LoadedRecords, SkippedRow, load_records

FEATURES = ("title", "description")


def row(record_id: object, **changes: Any) -> dict[str, Any]:
    return {"id": record_id, "title": f"title {record_id}", "description": "text", "tags": ["a", "b "], **changes}


def without(key: str, record_id: object = 9) -> dict[str, Any]:
    return {k: v for k, v in row(record_id).items() if k != key}


def write(path: Path, rows: object) -> Path:
    path.write_text(json.dumps(rows, indent=1))
    return path


def load(path: Path, on_invalid: str = "error", **columns: str) -> LoadedRecords:
    return load_records(str(path), columns, on_invalid, FEATURES)


def test_every_format_gives_the_same_records(tmp_path: Path, save_dataset: Callable[..., Path]) -> None:
    rows = [row(1), row(2, tags=[]), row(3, tags=["c,d", "é"], created_on="2021-05-10")]
    rows = [{"created_on": "", **r} for r in rows]
    json_file = write(tmp_path / "a.json", rows)
    lines = tmp_path / "a.jsonl"
    lines.write_text("\n".join(map(json.dumps, rows)))
    cells = tmp_path / "a.csv"
    with cells.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows({**r, "tags": json.dumps(r["tags"])} for r in rows)
    dataset = datasets.Dataset.from_list(rows)
    import pyarrow.parquet

    pyarrow.parquet.write_table(dataset.data.table, tmp_path / "a.parquet")
    expected = load(json_file).records
    assert [record.id for record in expected] == [1, 2, 3]
    for source in (lines, cells, tmp_path / "a.parquet", save_dataset("saved", rows)):
        assert load(source).records == expected, source


VALUES = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)


@given(st.dictionaries(st.integers().map(str), st.tuples(VALUES, st.lists(VALUES)), min_size=1))
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: dict[str, tuple[str, list[str]]]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    written = [{"id": key, "title": title, "tags": tags} for key, (title, tags) in rows.items()]
    read = load_records(str(write(folder / "a.json", written)), {}, "error", ["title"]).records
    assert [(r.id, r.fields["title"], r.tags) for r in read] == [
        (key, title, tuple(dict.fromkeys(tags))) for key, (title, tags) in rows.items()
    ]


def test_columns_are_mapped(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", [{"key": "k", "headline": "H", "description": None, "labels": ["x"]}])
    (record,) = load(path, id="key", title="headline", tags="labels").records
    assert (record.id, record.fields, record.tags) == ("k", {"title": "H", "description": ""}, ("x",))


def test_the_fingerprint_is_of_the_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", [row(1)])
    assert load(path).fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_fingerprint_of_a_folder_is_of_its_rows(save_dataset: Callable[..., Path]) -> None:
    a, b, c = (
        load(save_dataset(name, [row(1, title=title)])).fingerprint
        for name, title in (("a", "one"), ("b", "one"), ("c", "two"))
    )
    assert a == b != c


@pytest.mark.parametrize(
    ("rows", "number", "field", "message"),
    [
        ([row(1), without("id")], 2, "id", "id: expected an integer or a non-empty string, found nothing"),
        ([row(1), row(None)], 2, "id", "id: expected an integer or a non-empty string, found null"),
        ([row(1), row(2), row(1)], 3, "id", "id: expected an id of its own, found 1, the id of row 1 too"),
        ([row(1), row("1")], 2, "id", "id: expected an id of its own, found '1', the id of row 1 too"),
        ([row(1), row(2, tags="a")], 2, "tags", 'tags: expected a list of strings, found "a"'),
        ([row(1), row(2, tags=["a", 3])], 2, "tags", 'tags: expected a list of strings, found ["a", 3]'),
        ([row(1), without("tags")], 2, "tags", "tags: expected a list of strings, found nothing"),
        (
            [row(1), row(2, title={})],
            2,
            "title",
            "title: expected text, a number, a list of strings, or null, found {}",
        ),
        ([row(1), row(2, title="", description=None)], 2, "title, description", "expected some text in at least one"),
        ([row(1), "row"], 2, "row", 'row: expected an object, found "row"'),
        ([row(1), row(2, created_on="soon")], 2, "created_on", "created_on: expected a date, as 2021-05-10"),
    ],
)
def test_a_bad_row_stops_the_run_or_is_skipped_with_its_reason(
    tmp_path: Path, rows: list[object], number: int, field: str, message: str
) -> None:
    path = write(tmp_path / "a.json", rows)
    with pytest.raises(RecordError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}, row {number}: {field}: ")
    assert message in str(caught.value)
    assert "All other rows can be used; data.on_invalid=skip" in str(caught.value)
    assert str(caught.value).count("\n") < 3
    loaded = load(path, "skip")
    assert len(loaded.records) == len(rows) - 1
    (skipped,) = loaded.skipped
    assert (skipped.file, skipped.row, skipped.field) == (str(path), number, field)
    assert str(skipped) == str(caught.value).partition("\n")[0]


def test_the_error_counts_the_other_bad_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", [row(1), row(2, tags=1), row(3), row(4, tags=2), row(5, tags=3)])
    with pytest.raises(RecordError, match=r"row 2: tags: .*\n2 more rows cannot be used; data.on_invalid=skip"):
        load(path)
    assert [s.row for s in load(path, "skip").skipped] == [2, 4, 5]


def test_a_row_is_named_by_the_names_of_its_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", [{**row(1), "key": None}, {**row(2), "key": 3}])
    assert load(path, "skip", id="key").skipped == (
        SkippedRow(str(path), 1, "key", "an integer or a non-empty string", "null"),
    )


def test_a_broken_line_of_json_lines_is_a_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(row(1)) + "\n\n" + json.dumps(row(2))[:-5] + "\n")
    with pytest.raises(
        RecordError, match=r"a\.jsonl, row 3: line: expected a JSON object, found broken JSON at line 3, col"
    ):
        load(path)
    assert [r.id for r in load(path, "skip").records] == [1]


def test_a_broken_json_file_is_an_error_whatever_on_invalid_says(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"id": 1},\n {"id" 2}]')
    for on_invalid in ("error", "skip"):
        with pytest.raises(RecordError, match=r"a\.json: .* found broken JSON at line 2, column 8 \("):
            load(path, on_invalid)


def test_a_missing_file(tmp_path: Path) -> None:
    write(tmp_path / "projects.json", [row(1)])
    with pytest.raises(DataError, match=r"project\.json: no such file; did you mean projects\.json\?"):
        load(tmp_path / "project.json")


@pytest.mark.parametrize(
    ("name", "content"), [("a.json", "[]"), ("a.json", ""), ("a.jsonl", "\n"), ("a.csv", "id,title\n")]
)
def test_an_empty_corpus(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    for on_invalid in ("error", "skip"):
        with pytest.raises(RecordError, match=f"{name}: expected at least one record, found none"):
            load(tmp_path / name, on_invalid)


def test_nothing_left_after_skipping(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", [row(1, tags=None), row(2, tags=None)])
    with pytest.raises(RecordError, match=r"none of the 2 rows can be used; the first:\n.*row 1: tags"):
        load(path, "skip")


@pytest.mark.parametrize(
    ("missing", "columns", "message"),
    [
        (
            "description",
            {},
            "has a column 'description'; there are id, titel, tags\n.*data.columns.description=COLUMN, or",
        ),
        (
            "title",
            {},
            r"has a column 'title'; .*; did you mean titel\?\nSay which column holds it: data.columns.title=COL",
        ),
        ("id", {"title": "titel", "id": "key"}, r"has a column 'key'; .*\n.*data.columns.id=COLUMN\."),
        ("created_on", {"title": "titel", "created_on": "day"}, "has a column 'day'; "),
    ],
)
def test_a_column_that_no_row_has(tmp_path: Path, missing: str, columns: dict[str, str], message: str) -> None:
    record = {"id": 1, "titel": "t", "tags": []} | ({} if missing == "description" else {"description": "d"})
    features = ("description",) if missing == "description" else ("title",)
    path = write(tmp_path / "a.json", [record, {**record, "id": 2}])
    for on_invalid in ("error", "skip"):
        with pytest.raises(RecordError, match=message) as caught:
            load_records(str(path), columns, on_invalid, features)
        assert str(caught.value).count("\n") < 3


def test_a_feature_may_be_missing_from_some_rows(tmp_path: Path) -> None:
    loaded = load(write(tmp_path / "a.json", [without("description", 1), row(2)]))
    assert [record.fields.get("description") for record in loaded.records] == [None, "text"]


def test_a_ragged_line_of_csv_is_skipped_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,title,description,tags\n1,a,b,c\n2,a,b,c,d\n3,a\n4,a,b,\n")
    with pytest.raises(
        RecordError, match=r"a\.csv, row 2: row: expected 4 cells, as in the first line, found 5\n1 more"
    ):
        load(path)
    loaded = load(path, "skip")
    assert [r.id for r in loaded.records] == [1, 4]
    assert [(s.row, s.found) for s in loaded.skipped] == [(2, "5"), (3, "2")]


def test_commands_with_flags_are_told_about_flags(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", [row(1), row(1)])
    with pytest.raises(RecordError) as caught:
        load_records(str(path), {}, "error", FEATURES, hints=AS_FLAGS)
    assert str(caught.value).endswith("mend such rows, or take them out of the file.")
    with pytest.raises(RecordError) as caught:
        load_records(str(path), {}, "error", ["title", "readme"], hints=AS_FLAGS)
    assert str(caught.value).endswith("Say which column holds it: --column readme=COLUMN.")


def test_records_to_predict_need_no_tags(tmp_path: Path) -> None:
    rows = [without("tags", 1), row(2, tags="none", created_on="soon")]
    path = write(tmp_path / "a.json", rows)
    columns = {"created_on": "day"}
    assert [r.tags for r in load_records(str(path), columns, "error", FEATURES, need_tags=False).records] == [(), ()]


def test_the_records_of_madewithml_load(shared_data: Path) -> None:
    loaded = load(shared_data / "projects.json")
    assert len(loaded.records) == 2032
    assert loaded.skipped == ()
    assert loaded.fingerprint.startswith("6e2db7ba")
    assert any("arxiv:2005.10872 " in record.tags for record in loaded.records)
    assert all(record.created_on is not None for record in loaded.records)
