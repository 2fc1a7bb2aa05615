"""GoEmotions from its three files: records, and the published split."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tagnet.errors import DataError, RecordError
from tagnet.records import goemotions
from tagnet.records.sources import resolve_records, resolve_split_file

FILES = {
    "train.tsv": 'Thanks "so" much!\t15\ta1\nWhat?\t7,26\ta2\n',
    "dev.tsv": "Fine.\t27\tb1\n",
    "test.tsv": "Oh no\t25\tc1\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """TAGNET_DATA with small files, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TAGNET_DATA", str(tmp_path))
    home = tmp_path / "goemotions"
    home.mkdir()
    for name, content in FILES.items():
        (home / name).write_text(content)
    return home


def test_records_and_split(folder: Path) -> None:
    rows = [json.loads(line) for line in resolve_records("goemotions").read_text().splitlines()]
    assert rows == [
        {"id": "a1", "text": 'Thanks "so" much!', "tags": ["gratitude"]},
        {"id": "a2", "text": "What?", "tags": ["curiosity", "surprise"]},
        {"id": "b1", "text": "Fine.", "tags": ["neutral"]},
        {"id": "c1", "text": "Oh no", "tags": ["sadness"]},
    ]
    assert json.loads(resolve_split_file("goemotions").read_text()) == {
        "train": ["a1", "a2"],
        "val": ["b1"],
        "test": ["c1"],
    }


def test_other_files_are_other_records(folder: Path) -> None:
    first = resolve_records("goemotions")
    assert resolve_records("goemotions") == first
    (folder / "dev.tsv").write_text("Hm.\t6\tb2\n")
    assert resolve_records("goemotions") != first
    assert json.loads(resolve_split_file("goemotions").read_text())["val"] == ["b2"]


@pytest.mark.parametrize("line", ["text and no more", "text\t28\tid", "text\t\tid", "text\tjoy\tid", "a\t1\tb\tc"])
def test_a_line_that_cannot_be_read(line: str, folder: Path) -> None:
    (folder / "test.tsv").write_text(f"Oh no\t25\tc1\n{line}\n")
    with pytest.raises(RecordError, match=r"test\.tsv, line 2: expected text, label numbers from 0 to 27 and id"):
        resolve_records("goemotions")


def test_a_file_that_is_not_there(folder: Path) -> None:
    (folder / "dev.tsv").unlink()
    with pytest.raises(DataError, match=r"dev\.tsv: no such file; TAGNET_DATA names the folder"):
        resolve_records("goemotions")


def test_without_a_folder_it_is_fetched_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAGNET_DATA")
    digests = {name.removesuffix(".tsv"): hashlib.sha256(text.encode()).hexdigest() for name, text in FILES.items()}
    monkeypatch.setattr(goemotions, "_ADDRESS", f"{folder.as_uri()}/")
    monkeypatch.setattr(goemotions, "_SHA256", digests)
    first = resolve_records("goemotions").read_text()
    for file in folder.iterdir():
        file.unlink()
    assert resolve_records("goemotions").read_text() == first


def test_the_real_files(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (shared_data / "goemotions" / "train.tsv").is_file():
        pytest.skip(f"GoEmotions is not at {shared_data / 'goemotions'}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("TAGNET_DATA", str(shared_data))
    split = json.loads(resolve_split_file("goemotions").read_text())
    assert {side: len(ids) for side, ids in split.items()} == {"train": 43410, "val": 5426, "test": 5427}
    rows = [json.loads(line) for line in resolve_records("goemotions").read_text().splitlines()]
    assert len({row["id"] for row in rows}) == len(rows) == 54263
    train = set(split["train"])
    assert sum("grief" in row["tags"] for row in rows if row["id"] in train) == 77
    assert tuple((shared_data / "goemotions" / "labels.txt").read_text().split()) == goemotions.EMOTIONS
    for name, digest in goemotions._SHA256.items():
        assert hashlib.sha256((shared_data / "goemotions" / f"{name}.tsv").read_bytes()).hexdigest() == digest
