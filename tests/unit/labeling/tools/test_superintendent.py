"""superintendent's shapes: a DataFrame, as pandas writes and reads it (https://superintendent.readthedocs.io)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tagnet.errors import LabelingError
from tagnet.labeling.collect import Collected, collect
from tagnet.labeling.tasks import TaskBatch
from tagnet.labeling.tools.superintendent import Superintendent


@pytest.fixture
def frame(batch: TaskBatch, tmp_path: Path) -> pd.DataFrame:
    path, options = Superintendent().write(batch, tmp_path / "queue.json")
    assert options.name == "queue.options.json"
    return pd.read_json(path, dtype=False)


def read(path: Path) -> Collected:
    return collect(Superintendent().read(path), tool="superintendent", file=path.name, file_sha256=None)


def test_what_pandas_reads(frame: pd.DataFrame) -> None:
    assert list(frame["labels"]) == [["a", "b"], ["b"], []]
    assert frame["text"].iloc[0] == "Sets\n\nA tour."
    assert list(frame["project_id"]) == [1, "2", 3]


@pytest.mark.parametrize("orient", ["records", "columns", "split", "lines"])
def test_what_pandas_writes(frame: pd.DataFrame, tmp_path: Path, orient: Any) -> None:
    frame["labels"] = pd.Series([["b", "c"], None, []])
    frame["skipped"] = pd.Series([False, False, False])
    frame["annotator"] = pd.Series(["ann", None, None])
    path = tmp_path / "out.json"
    frame.to_json(path, orient="records" if orient == "lines" else orient, lines=orient == "lines")
    found = read(path)
    first, third = (answer for answer, _ in found.answers)
    assert (first.kept, first.added, first.removed, first.annotator) == (("b",), ("c",), ("a",), "ann")
    assert (third.empty, found.num_waiting) == (True, 1)


def test_skipped_rows(frame: pd.DataFrame, tmp_path: Path) -> None:
    frame["skipped"] = True
    frame.to_json(tmp_path / "out.json", orient="records")
    assert [answer.skipped for answer, _ in read(tmp_path / "out.json").answers] == [True] * 3


@pytest.mark.parametrize("content", [[{"text": "x"}], [{"labels": []}], [{"text": "x", "labels": 3}]])
def test_what_is_no_table_of_ours(write_rows: Callable[..., Path], content: Any) -> None:
    with pytest.raises(LabelingError, match="labels"):
        Superintendent().read(write_rows("e.json", content))
