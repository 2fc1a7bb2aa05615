"""CSV for spreadsheets: RFC 4180, and what Excel and LibreOffice make of it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagnet.errors import LabelingError
from tagnet.labeling.collect import Collected, collect
from tagnet.labeling.tasks import TaskBatch, make_batch
from tagnet.labeling.tools.spreadsheet import Spreadsheet, cell_to_tags, tags_to_cell
from tagnet.records.record import Record


@pytest.fixture
def sheet(batch: TaskBatch, tmp_path: Path) -> Path:
    (path,) = Spreadsheet().write(batch, tmp_path / "t.csv")
    return path


def read(path: Path) -> Collected:
    return collect(Spreadsheet().read(path), tool="csv", file=path.name, file_sha256=None)


def rows_of(sheet: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(sheet.read_text(encoding="utf-8-sig"), newline="")))


def save(sheet: Path, rows: list[dict[str, str]], delimiter: str = ",") -> None:
    with sheet.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def test_what_people_see(sheet: Path) -> None:
    assert sheet.read_bytes().startswith(b"\xef\xbb\xbfstatus,project_id,title,description,tags,")
    rows = rows_of(sheet)
    assert [row["tags"] for row in rows] == ["a, b", "b", ""]
    assert [row["project_id"] for row in rows] == ["1", "2", "3"]
    assert rows[2]["description"] == "Für alle."


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_people_do(sheet: Path, delimiter: str) -> None:
    rows = rows_of(sheet)
    rows[0] |= {"tags": " b ,c,, c", "annotator": "ann", "at": "2026-11-02", "comment": "odd"}
    rows[1] |= {"status": "Skip"}
    rows[2] |= {"status": "open"}
    save(sheet, rows, delimiter)
    found = read(sheet)
    first, second = (answer for answer, _ in found.answers)
    assert (first.project_id, first.kept, first.added, first.removed) == (1, ("b",), ("c",), ("a",))
    assert (first.annotator, first.at, first.comment) == ("ann", "2026-11-02", "odd")
    assert (second.project_id, second.skipped, found.num_waiting) == ("2", True, 1)


def test_a_sheet_without_the_other_columns(sheet: Path) -> None:
    rows = [{key: row[key] for key in ("tags", "tagnet")} for row in rows_of(sheet)]
    save(sheet, rows)
    assert [answer.tags for answer, _ in read(sheet).answers] == [("a", "b"), ("b",), ()]


@given(st.lists(st.text(max_size=5), unique=True, max_size=4))
def test_tags_fit_into_a_cell(tags: list[str]) -> None:
    cell = tags_to_cell(tags)
    assert cell_to_tags(cell, "row 2") == tuple(tags)
    # What a spreadsheet would take for a formula.
    assert cell[:1] not in ("=", "+", "-", "@")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("tags", "labels", "column 'tags'"),
        ("tagnet", "other", "column 'tagnet'"),
        ("a, b", '[""a"",', "row 2: tags"),
        ("status", "x", ""),
    ],
)
def test_broken_sheets(sheet: Path, old: str, new: str, words: str) -> None:
    sheet.write_text(sheet.read_text().replace(old, new, 1))
    if not words:
        assert len(read(sheet).answers) == 3
        return
    with pytest.raises(LabelingError, match=words):
        Spreadsheet().read(sheet)


def test_a_text_that_begins_with_a_quote_comes_back(tmp_path: Path) -> None:
    batch = make_batch([Record(1, {"title": "'=1+1"}, ("a",), None)], ["title"])
    assert read(Spreadsheet().write(batch, tmp_path / "t.csv")[0]).review == ()


@pytest.mark.parametrize("title", ["=1+1", "\r\n=1", "-x", "'plain", "@me", "+1"])
def test_texts_are_no_formulas(tmp_path: Path, title: str) -> None:
    batch = make_batch([Record(1, {"title": title}, ("a",), None)], ["title"])
    (path,) = Spreadsheet().write(batch, tmp_path / "t.csv")
    assert rows_of(path)[0]["title"][0] not in "=+-@"
    assert read(path).review == ()
    # LibreOffice and Excel leave the quote away when they save what was typed as text.
    save(path, [{**rows_of(path)[0], "title": title}])
    assert read(path).review == ()


def test_an_unknown_status_is_named(sheet: Path) -> None:
    rows = rows_of(sheet)
    rows[1]["status"] = "perhaps"
    save(sheet, rows)
    with pytest.raises(LabelingError, match=r'row 3: status: .* found "perhaps"'):
        Spreadsheet().read(sheet)
