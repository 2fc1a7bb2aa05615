from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagnet.data.sides import Split
from tagnet.data.split_file import load_split_file, save_split
from tagnet.errors import RunDirectoryError, SplitError
from tagnet.records.record import Record

RECORDS = [Record(i, {"title": f"text {i}"}, ("a",), None) for i in (10, 11, 12, 13)] + [
    Record("x", {"title": "x"}, ("a",), None)
]


def write(folder: Path, content: Any) -> Path:
    path = folder / "split.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_ids_become_indices_whatever_their_type(tmp_path: Path) -> None:
    path = write(tmp_path, {"train": ["11", 10], "val": [12], "test": ["x", 13], "classes": ["a"], "note": {}})
    given = load_split_file(path, None, RECORDS)
    assert [side.tolist() for side in given.split.sides().values()] == [[0, 1], [2], [3, 4]]
    assert given.has_val
    assert given.warnings == ()


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    split = Split(np.array([0, 4]), np.array([1]), np.array([2, 3]))
    save_split(tmp_path / "run" / "split.json", split, RECORDS)
    assert json.loads((tmp_path / "run" / "split.json").read_text()) == {
        "train": [10, "x"],
        "val": [11],
        "test": [12, 13],
    }
    loaded = load_split_file(tmp_path / "run" / "split.json", None, RECORDS).split
    assert [side.tolist() for side in loaded.sides().values()] == [[0, 4], [1], [2, 3]]


def test_nothing_is_saved_where_nothing_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError):
        save_split(tmp_path / "file" / "split.json", Split(np.array([0]), np.array([1]), np.array([2])), RECORDS)


def test_a_split_is_chosen_by_its_key(tmp_path: Path) -> None:
    path = write(tmp_path, {"A": {"train": [10], "test": [11]}, "B": {"train": [12], "val": [13], "test": [11]}})
    given = load_split_file(path, "B", RECORDS)
    assert given.split.train.tolist() == [2]
    assert given.has_val
    assert not load_split_file(path, "A", RECORDS).has_val


@pytest.mark.parametrize("val", [[], None])
def test_an_empty_validation_is_none(tmp_path: Path, val: object) -> None:
    path = write(tmp_path, {"train": [10], "val": val, "test": [11]})
    assert not load_split_file(path, None, RECORDS).has_val


def test_records_that_are_not_named_are_left_out_with_a_warning(tmp_path: Path) -> None:
    path = write(tmp_path, {"train": [10], "val": [11], "test": [12]})
    assert any("2 record(s) that the split does not name" in w for w in load_split_file(path, None, RECORDS).warnings)


def test_ids_of_untagged_records_are_passed_over_with_a_warning(tmp_path: Path) -> None:
    path = write(tmp_path, {"train": [10, 99], "val": [11], "test": [12]})
    given = load_split_file(path, None, RECORDS, dropped_ids=("99",))
    assert given.split.train.tolist() == [0]
    assert any("1 id(s) whose records bear no kept tag" in w and "99" in w for w in given.warnings)


def test_ids_of_skipped_rows_are_passed_over_but_no_more(tmp_path: Path) -> None:
    path = write(tmp_path, {"train": [10, 98, 99], "val": [11], "test": [12]})
    assert any("2 id(s)" in warning for warning in load_split_file(path, None, RECORDS, num_skipped=2).warnings)
    with pytest.raises(SplitError, match="found 2 that no record has"):
        load_split_file(path, None, RECORDS, num_skipped=1)


SINGLE = {"train": [10], "val": [11], "test": [12]}


@pytest.mark.parametrize(
    ("content", "key", "message"),
    [
        ({**SINGLE, "test": [12, 99]}, None, "found 1 that no record has: 99"),
        ({**SINGLE, "test": [12, "10"]}, None, "found 1 on two: 10 in train and test"),
        ({**SINGLE, "val": [11, 11]}, None, r"val: expected each id once, found 1 again: 11"),
        ({**SINGLE, "train": 5}, None, "train: expected a list of ids, found 5"),
        ({**SINGLE, "train": [10, True]}, None, r"train\[1\]: expected an id"),
        ({**SINGLE, "train": [10, 1.5]}, None, r"train\[1\]: expected an id \(number or text\), found 1.5"),
        ({**SINGLE, "test": []}, None, "test: expected at least one id"),
        ({"train": [10], "tset": [11]}, None, r"expected the key 'test'.*did you mean tset"),
        ({"trian": [10], "test": [11]}, None, r"found the keys \['trian', 'test'\]; did you mean trian"),
        ([1, 2], None, r"found \[1, 2\]"),
        ({"A": SINGLE, "B": SINGLE}, None, r"choose one with split.key=A\|B"),
        ({"Alpha": SINGLE}, "alpha", "expected a split named 'alpha'.*did you mean Alpha"),
        (SINGLE, "B", "found one split without a name"),
    ],
)
def test_errors_say_what_is_wrong(tmp_path: Path, content: Any, key: str | None, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(SplitError, match=message) as caught:
        load_split_file(path, key, RECORDS)
    assert str(path) in str(caught.value)
    assert str(caught.value).count("\n") <= 2


def test_broken_json_names_its_place(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    path.write_text('{"train": [1,\n 2}')
    with pytest.raises(SplitError, match="line 2, column"):
        load_split_file(path, None, RECORDS)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SplitError, match="no such file"):
        load_split_file(tmp_path / "none.json", None, RECORDS)
