"""What the codecs share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tagnet.errors import LabelingError
from tagnet.labeling.tasks import make_batch
from tagnet.labeling.tools.codec import as_name, most_wanted, read_rows, tag_list, write_rows
from tagnet.records.record import Record


@pytest.mark.parametrize("content", ['[{"a": 1}, {"a": 2}]', '{"a": 1}\n\n{"a": 2}\r\n', '\ufeff{"a": 1}\n{"a": 2}'])
def test_arrays_and_lines(write_rows: Callable[..., Path], content: str) -> None:
    assert [row for _, row in read_rows(write_rows("f", content), "x", "a thing")] == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("content", "place"), [('[{"a": 1}, 2]', "item 2"), ('{"a": 1}\n{"a"', "line 2"), ('[{"a": 1}', "half-written")]
)
def test_what_is_broken_is_named(write_rows: Callable[..., Path], content: str, place: str) -> None:
    with pytest.raises(LabelingError, match=place):
        list(read_rows(write_rows("f", content), "x", "a thing"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabelingError, match="no such file"):
        list(read_rows(tmp_path / "f", "x", "a thing"))


def test_rows_are_a_json_array(tmp_path: Path) -> None:
    write_rows(tmp_path / "f", [{"a": "ü\n"}, {"a": 2}])
    assert json.loads((tmp_path / "f").read_text(encoding="utf-8")) == [{"a": "ü\n"}, {"a": 2}]
    assert len((tmp_path / "f").read_text(encoding="utf-8").splitlines()) == 4


def test_declared_tags_come_before_the_most_shown() -> None:
    records = [Record(n, {"t": "x"}, tags, None) for n, tags in enumerate([("a", "b"), ("b",), ("c",)])]
    batch = make_batch(records, ["t"], declared=["z"])
    assert [most_wanted(batch, limit) for limit in (1, 2, 9)] == [("z",), ("b", "z"), ("a", "b", "c", "z")]


@pytest.mark.parametrize("value", [3, ["a", 1], {"a": 1}])
def test_what_are_no_tags(value: object) -> None:
    with pytest.raises(LabelingError, match="here: label: expected a list of tags"):
        tag_list(value, "here", "label")


def test_names() -> None:
    assert [as_name(each) for each in ("ann", 0, True, "", {"id": 5}, {"username": "u", "id": 5}, {})] == [
        "ann",
        "0",
        None,
        None,
        "5",
        "u",
        None,
    ]
