from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tagnet.records.parse import RowSchema, parse_row
from tagnet.records.record import Record
from tagnet.records.rows import InvalidRow, TextRow

SCHEMA = RowSchema({}, ("title",), need_tags=True)
PREDICT = RowSchema({}, ("title",), need_tags=False)


def row(**changes: Any) -> dict[str, Any]:
    return {"id": 1, "title": "Sets", "tags": ["a"], **changes}


def parsed(value: object, schema: RowSchema = SCHEMA) -> Record:
    record = parse_row(value, schema)
    assert isinstance(record, Record), record
    return record


def refused(value: object, schema: RowSchema = SCHEMA) -> InvalidRow:
    reason = parse_row(value, schema)
    assert isinstance(reason, InvalidRow), reason
    return reason


@given(st.lists(st.text(st.characters(codec="utf-8"))))
def test_tags_are_opaque(tags: list[str]) -> None:
    assert parsed(row(tags=tags)).tags == tuple(dict.fromkeys(tags))


@given(st.integers() | st.text(st.characters(codec="utf-8"), min_size=1))
def test_ids_stay_as_they_are(record_id: int | str) -> None:
    found = parsed(row(id=record_id)).id
    assert found == record_id
    assert type(found) is type(record_id)


@pytest.mark.parametrize("bad", [None, "", 1.0, True, [1], "\ud800"])
def test_what_is_no_id(bad: object) -> None:
    reason = refused(row(id=bad))
    assert (reason.field, reason.expected) == ("id", "an integer or a non-empty string")


def test_a_missing_id_names_the_nearest_column() -> None:
    assert refused({"ids": 1, "title": "Sets", "tags": []}).found == "nothing; did you mean ids?"


@pytest.mark.parametrize("bad", [None, "a", 3, {"a": 1}, ["a", 1], [["a"]], [None], ["\udc00"]])
def test_what_is_no_list_of_tags(bad: object) -> None:
    reason = refused(row(tags=bad))
    assert (reason.field, reason.expected) == ("tags", "a list of strings")
    assert parsed(row(tags=bad), PREDICT).tags == ()


def test_tags_are_missing() -> None:
    assert refused({"id": 1, "title": "Sets"}) == InvalidRow("tags", "a list of strings", "nothing")
    assert parsed({"id": 1, "title": "Sets"}, PREDICT).tags == ()


@pytest.mark.parametrize("bad", [3, "text", None, ["id"]])
def test_a_row_that_is_no_object(bad: object) -> None:
    assert refused(bad).expected == "an object"


def test_a_broken_line_stays_what_it_is() -> None:
    broken = InvalidRow("line", "a JSON object", "broken JSON")
    assert parse_row(broken, SCHEMA) is broken


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), ("  x ", "  x "), (3, "3"), (2.5, "2.5"), (["a", "b"], "a, b"), ([], ""), (float("nan"), "")],
)
def test_what_becomes_text(value: object, text: str) -> None:
    assert parsed(row(extra=value)).fields == {"title": "Sets", "extra": text}


@pytest.mark.parametrize("value", [True, {"a": 1}, [1], "\ud800", b"bytes"])
def test_what_does_not_become_text_matters_only_in_a_feature(value: object) -> None:
    assert parsed(row(extra=value)).fields == {"title": "Sets"}
    reason = refused(row(extra=value), RowSchema({}, ("title", "extra"), need_tags=True))
    assert (reason.field, reason.expected) == ("extra", "text, a number, a list of strings, or null")


@pytest.mark.parametrize("empty", [{}, {"headline": None}, {"headline": " \n"}, {"headline": "", "description": []}])
def test_a_record_without_any_text(empty: dict[str, object]) -> None:
    schema = RowSchema({"title": "headline"}, ("title", "description"), need_tags=True)
    assert refused({"id": 1, "tags": [], **empty}, schema).field == "headline, description"
    assert parsed({"id": 1, "tags": [], **empty, "description": "x"}, schema).fields["description"] == "x"


def test_columns_take_our_names() -> None:
    columns = {"id": "key", "title": "body", "body": "title", "tags": "labels", "created_on": "day"}
    schema = RowSchema(columns, ("title",), need_tags=True)
    record = parsed({"key": 7, "id": 8, "body": "B", "title": "T", "labels": ["x"], "day": "2021-05-10"}, schema)
    assert (record.id, record.tags, record.created_on) == (7, ("x",), datetime(2021, 5, 10))
    assert record.fields == {"title": "B", "body": "T", "created_on": "2021-05-10"}


def test_one_column_may_serve_two_fields() -> None:
    schema = RowSchema({"title": "text", "description": "text"}, ("title", "description"), need_tags=True)
    assert parsed({"id": 1, "text": "x", "tags": []}, schema).fields == {"title": "x", "description": "x"}


def test_a_mapped_column_hides_one_that_bears_its_name() -> None:
    schema = RowSchema({"title": "headline"}, ("title",), need_tags=True)
    assert parsed({"id": 1, "headline": "ours", "title": "theirs", "tags": []}, schema).fields == {"title": "ours"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        ("2020-02-17 06:30:41", datetime(2020, 2, 17, 6, 30, 41)),
        ("2020-02-17", datetime(2020, 2, 17)),
        ("2020-02-17T06:30:41Z", datetime(2020, 2, 17, 6, 30, 41)),
        ("2020-02-17T06:30:41+02:00", datetime(2020, 2, 17, 4, 30, 41)),
        (datetime(2020, 2, 17, 6, tzinfo=UTC), datetime(2020, 2, 17, 6)),
        (datetime(2020, 2, 17, 6, tzinfo=timezone(timedelta(hours=1))), datetime(2020, 2, 17, 5)),
        (datetime(2020, 2, 17, 6), datetime(2020, 2, 17, 6)),
        (date(2020, 2, 17), datetime(2020, 2, 17)),
    ],
)
def test_dates(value: object, expected: datetime | None) -> None:
    assert parsed(row(created_on=value)).created_on == expected


@pytest.mark.parametrize("bad", ["yesterday", 2020, "17.02.2020", ["2020-02-17"]])
def test_what_is_no_date(bad: object) -> None:
    assert refused(row(created_on=bad)).field == "created_on"
    assert parsed(row(created_on=bad), PREDICT).created_on is None


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ("", ()),
        ("a", ("a",)),
        ("a,b ,a", ("a", "b ")),
        ("a,,b,", ("a", "b")),
        ('["a,b", " c"]', ("a,b", " c")),
        (" []", ()),
    ],
)
def test_tags_in_a_cell_of_text(cell: str, tags: tuple[str, ...]) -> None:
    assert parsed(TextRow(row(tags=cell))).tags == tags


@pytest.mark.parametrize("cell", ["[a, b]", "[1]", '["a"', "[" * 100_000])
def test_a_cell_that_begins_as_a_list_must_be_one(cell: str) -> None:
    assert refused(TextRow(row(tags=cell))).expected == "a list of strings"


@pytest.mark.parametrize(
    ("cell", "record_id"), [("12", 12), ("0", 0), ("007", "007"), ("a1", "a1"), ("²", "²"), ("9" * 30, "9" * 30)]
)
def test_an_id_in_a_cell_of_text_is_a_number_only_where_nothing_is_lost(cell: str, record_id: object) -> None:
    assert parsed(TextRow(row(id=cell))).id == record_id
