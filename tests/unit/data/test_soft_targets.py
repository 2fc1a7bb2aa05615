"""Records that train on given targets: never in validation or test, their own tags never seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagnet.cli.compose import train_config
from tagnet.data.prepare import Prepared, prepare
from tagnet.errors import RecordError, SplitError
from tagnet.records.targets import write_targets

ROWS: list[dict[str, Any]] = [
    {"id": n, "title": f"Kit {n * 7919}", "description": f"words of text {n * 104729}", "tags": ["a", "b"][: 1 + n % 2]}
    for n in range(60)
]
GIVEN = tuple(range(40, 60))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(ids: Sequence[int] = GIVEN, tags: Sequence[str] = ("b", "a"), value: float = 0.9) -> Path:
        path = tmp_path / "targets.jsonl"
        targets = np.full((len(ids), len(tags)), 0.2)
        targets[:, 0] = value
        known = np.ones(targets.shape, dtype=bool)
        if len(ids):
            known[0, 0] = False
        write_targets(path, tags, list(ids), targets, known, {})
        return path

    return write


def prepared(path: Path, *settings: str, rows: Sequence[dict[str, Any]] = ROWS) -> Prepared:
    return prepare(train_config("labels.min_count=2", f"data.targets={path}", *settings), rows)


def test_given_targets_take_the_place_of_tags(write: Callable[..., Path]) -> None:
    found = prepared(write())
    soft = found.soft
    assert soft is not None
    assert found.corpus.label_space.tags == ("a", "b")
    given = np.flatnonzero(soft.given_N)
    assert [found.corpus.records[i].id for i in given] == list(GIVEN)
    assert np.allclose(soft.targets_NK[given[1:]], [0.2, 0.9])
    assert soft.known_NK[given].tolist() == [[True, False]] + [[True, True]] * 19
    assert found.corpus.y_NK[given].tolist() == [[0, 0]] + [[0, 1]] * 19
    assert soft.known_NK[~soft.given_N].all()
    assert np.array_equal(soft.targets_NK[~soft.given_N], found.corpus.y_NK[~soft.given_N])


@pytest.mark.parametrize("split", ["split=iterative", "split=kfold"])
def test_they_train_and_do_nothing_else(split: str, write: Callable[..., Path]) -> None:
    found = prepared(write(), split)
    assert found.soft is not None
    given = set(np.flatnonzero(found.soft.given_N).tolist())
    assert given <= set(found.split.train.tolist())
    assert len(found.split.val)
    assert len(found.split.test)


def test_the_split_of_the_others_is_as_if_they_were_alone(write: Callable[..., Path]) -> None:
    alone = prepare(train_config("labels.min_count=2"), ROWS[:40])
    found = prepared(write())
    for side in ("val", "test"):
        ids = [[p.corpus.records[i].id for i in p.split.sides()[side]] for p in (alone, found)]
        assert ids[0] == ids[1]


def test_records_without_tags_are_kept_when_they_have_targets(write: Callable[..., Path]) -> None:
    rows = [{**row, "tags": [] if row["id"] in GIVEN else row["tags"]} for row in ROWS]
    assert len(prepared(write(), rows=rows).corpus.records) == 60


def test_near_duplicates_of_validation_and_test_are_left_out(write: Callable[..., Path]) -> None:
    first = prepared(write())
    taken = first.corpus.records[int(first.split.test[0])]
    rows = [*ROWS[:59], {**ROWS[59], "title": taken.fields["title"], "description": taken.fields["description"]}]
    found = prepared(write(), rows=rows)
    everywhere = np.concatenate(list(found.split.sides().values()))
    assert len(everywhere) == 59
    assert any("near-identical with one of validation or test" in warning for warning in found.warnings)


def test_a_split_file_must_not_judge_by_them(write: Callable[..., Path], tmp_path: Path) -> None:
    file = tmp_path / "split.json"
    ids = list(range(60))
    file.write_text(json.dumps({"train": ids[10:], "val": ids[:5], "test": ids[5:10]}))
    found = prepared(write(), f"split.file={file}")
    assert (len(found.split.train), len(found.split.val), len(found.split.test)) == (50, 5, 5)
    file.write_text(json.dumps({"train": ids[:50], "val": ids[50:55], "test": ids[55:]}))
    with pytest.raises(SplitError, match=r"val: expected records with tags of their own, found 5 of .*such as 50"):
        prepared(write(), f"split.file={file}")


def test_ids_of_no_record_are_refused(write: Callable[..., Path]) -> None:
    with pytest.raises(RecordError, match="2 of 3 ids are of no record that is read, such as 77, 78"):
        prepared(write((40, 77, 78)))


def test_tags_outside_the_label_space_are_said_and_all_of_them_refused(write: Callable[..., Path]) -> None:
    found = prepared(write(tags=("a", "z")))
    assert any("1 tag(s) outside the label space are passed over: 'z'" in warning for warning in found.warnings)
    assert any("1 tag(s) are unknown in all of its records: 'b'" in warning for warning in found.warnings)
    with pytest.raises(RecordError, match="expected some of the 2 tags of the label space"):
        prepared(write(tags=("y", "z")))
