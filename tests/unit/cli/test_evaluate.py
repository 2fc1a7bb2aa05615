"""`tagnet evaluate`: what it prints and writes, and what it never overwrites."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.bundle import Bundle
from tagnet.cli.evaluate import run
from tagnet.errors import ConfigError, RecordError, RunDirectoryError

ROWS: list[dict[str, Any]] = [
    {"id": n, "title": f"title {n}", "description": "words", "tags": [["nlp"], ["graphs", "nlp"], ["outside"]][n % 3]}
    for n in range(9)
]


@pytest.fixture
def bundle(write_tiny_bundle: Callable[..., Bundle]) -> Path:
    return write_tiny_bundle().folder


@pytest.fixture
def records(tmp_path: Path) -> Path:
    path = tmp_path / "records.json"
    path.write_text(json.dumps(ROWS))
    return path


def do(bundle: Path, records: Path, **changes: Any) -> None:
    words: dict[str, Any] = {"split": None, "key": None, "side": "test", "columns": [], "output": None, "device": "cpu"}
    run(bundle, str(records), **{**words, **changes})


def test_a_new_folder_is_made(bundle: Path, records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "folder"
    do(bundle, records, output=output)
    out, err = capsys.readouterr()
    assert "6 records" in out
    assert "3 records without a tag of the label space are left out" in err
    assert {path.name for path in output.iterdir()} == {"metrics.json", "per_tag.csv"}
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["records"] == 6
    assert set(metrics["map"]) == {"value", "low", "high"}
    with (output / "per_tag.csv").open(newline="") as stream:
        assert {row["tag"]: row["support"] for row in csv.DictReader(stream)} == {
            "databases": "0",
            "graphs": "3",
            "nlp": "6",
        }


def test_one_side_of_a_split(bundle: Path, records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    split = tmp_path / "split.json"
    split.write_text(json.dumps({"a": {"train": [0, 1], "test": [3, 4, 5]}}))
    do(bundle, records, split=str(split), key="a")
    assert "2 records" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="none of its val ids"):
        do(bundle, records, split=str(split), key="a", side="val")


@pytest.mark.parametrize("name", ["metrics.json", "config.yaml", "bundle", "bundle.json"])
def test_what_is_there_is_never_overwritten(bundle: Path, records: Path, tmp_path: Path, name: str) -> None:
    output = tmp_path / "run"
    output.mkdir()
    (output / name).write_text("earlier")
    with pytest.raises(RunDirectoryError, match=f"{name} of a run, .* never overwritten"):
        do(bundle, records, output=output)
    assert {path.name: path.read_text() for path in output.iterdir()} == {name: "earlier"}


def test_an_output_that_is_a_file(bundle: Path, records: Path) -> None:
    with pytest.raises(RunDirectoryError, match="expected a folder, found a file"):
        do(bundle, records, output=records)


def test_words_that_cannot_be_used(bundle: Path, records: Path) -> None:
    with pytest.raises(ConfigError, match="--side: expected train, val or test"):
        do(bundle, records, side="dev")
    with pytest.raises(ConfigError, match="--key names a split of --split"):
        do(bundle, records, key="A")
    with pytest.raises(RecordError, match="--column title=COLUMN"):
        do(bundle, records, columns=["title=name"])
