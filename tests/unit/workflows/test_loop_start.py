"""What a loop starts from: sides, tags, what waits and what is left out; records of every format."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tagnet.cli.compose import train_config
from tagnet.errors import LabelingError
from tagnet.labeling.labelled_rows import read_labelled_rows
from tagnet.workflows.loop_files import LoopFiles
from tagnet.workflows.loop_plan import LoopPlan
from tagnet.workflows.loop_start import Start, begin

Rows = list[dict[str, Any]]
WORDS = ("map", "sort", "tree", "graph", "cell", "wave", "fold", "star", "lake", "moon", "iron", "glass")


def text(number: int) -> str:
    """Words that no two numbers share in this order."""
    return " ".join(WORDS[(number * step + step) % len(WORDS)] + str(number * step) for step in range(1, 9))


@pytest.fixture
def rows() -> Rows:
    """40 labelled records, of which one has a tag of its own, and 10 that wait."""
    tags: list[Sequence[str]] = [["a"] if number % 2 else ["b", "a"] for number in range(40)]
    tags[7] = ["rare"]
    found = [{"id": f"r{number}", "title": text(number), "tags": list(each)} for number, each in enumerate(tags)]
    return found + [{"id": f"w{number}", "title": text(100 + number), "tags": []} for number in range(10)]


def plan_of(path: Path, *settings: str, **more: Any) -> LoopPlan:
    config = train_config(f"data.records={path}", "data.features=[title]", "labels.min_count=3", *settings, "run.dir=x")
    return LoopPlan(config, str(path), tool="doccano", **more)


def started(rows: Rows, tmp_path: Path, *settings: str, **more: Any) -> Start:
    path = tmp_path / "all.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return begin(LoopFiles(tmp_path / "loop"), plan_of(path, *settings, **more))


def test_every_labelled_record_is_on_one_side_and_all_others_wait(rows: Rows, tmp_path: Path) -> None:
    start = started(rows, tmp_path)
    assert Counter([*start.train, *start.val, *start.test]) == Counter(f"r{number}" for number in range(40))
    assert min(len(start.val), len(start.test)) >= 4
    assert start.pool == start.fixed == tuple(f"w{number}" for number in range(10))
    assert start.tags == ("a", "b")
    assert begin(LoopFiles(tmp_path / "loop"), plan_of(tmp_path / "all.json")) == start


def test_twins_of_what_judges_and_records_without_text_do_not_wait(rows: Rows, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    plain = started(rows, tmp_path / "plain")
    judge = next(row for row in rows if row["id"] == plain.test[0])
    learned = next(row for row in rows if row["id"] == plain.train[0])
    twin = {"id": "twin", "title": judge["title"].upper(), "tags": []}
    other = {"id": "other", "title": learned["title"] + " ", "tags": []}
    start = started([*rows, twin, other, {"id": "empty", "title": " ", "tags": []}], tmp_path)
    assert (start.twins, start.without_text) == (1, 1)
    assert set(start.pool) == {*plain.pool, "other"}
    assert (start.train, start.val, start.test) == (plain.train, plain.val, plain.test)


def test_a_split_file_says_what_judges(rows: Rows, tmp_path: Path) -> None:
    split = tmp_path / "split.json"
    split.write_text(json.dumps({"train": ["w1"], "val": ["r1", "r2"], "test": ["r3", "r4"]}))
    start = started(rows, tmp_path, evaluation=str(split))
    assert (start.val, start.test) == (("r1", "r2"), ("r3", "r4"))
    assert len(start.train) == 36
    assert "w1" in start.pool


def test_a_table_stays_a_table(rows: Rows, tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["id", "title", "tags"])
        writer.writeheader()
        writer.writerows({**row, "tags": ",".join(row["tags"])} for row in rows)
    files = LoopFiles(tmp_path / "loop")
    start = begin(files, plan_of(path))
    assert start.suffix == ".csv"
    assert start.pool == tuple(f"w{number}" for number in range(10))
    version = read_labelled_rows(str(files.version(0, ".csv")), {})
    assert [list(tags) for tags in version.tags] == [row["tags"] for row in rows]


def test_records_that_changed_are_refused_and_those_that_are_gone_are_not_missed(rows: Rows, tmp_path: Path) -> None:
    start = started(rows, tmp_path)
    path, files = tmp_path / "all.json", LoopFiles(tmp_path / "loop")
    path.write_text(json.dumps(rows[:-1]), encoding="utf-8")
    with pytest.raises(LabelingError, match="the records changed since the loop was started"):
        begin(files, plan_of(path))
    path.unlink()
    assert begin(files, plan_of(path)) == start
