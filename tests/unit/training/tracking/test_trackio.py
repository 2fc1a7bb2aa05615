"""Rows in trackio's storage."""

from __future__ import annotations

from pathlib import Path

import pytest
from trackio import sqlite_storage
from trackio.sqlite_storage import SQLiteStorage

from tagnet.config import TrackioConfig
from tagnet.training.tracking.tracker import Line
from tagnet.training.tracking.trackio import TrackioStore

CONFIG = TrackioConfig("trackio", "tagnet")


def run(folder: Path, name: str) -> None:
    folder.mkdir()
    store = TrackioStore(CONFIG, folder, name)
    store.open({"run.seed": 0})
    assert store.resume([]) == {}
    for _ in range(2):
        store.send([Line("train", 1, {"train.loss": 0.5}, 0.0), Line("val", 1, {"val.map": 0.25}, 0.0)])
    store.close("finished")


def test_runs_are_in_their_folders_and_trackio_keeps_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRACKIO_DIR", raising=False)
    before = vars(sqlite_storage)["TRACKIO_DIR"]
    for name in ("one", "two"):
        run(tmp_path / name, name)
        assert (tmp_path / name / "trackio" / "tagnet.db").is_file()
    assert vars(sqlite_storage)["TRACKIO_DIR"] == before


def test_runs_stand_side_by_side_where_trackio_dir_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = tmp_path / "together"
    monkeypatch.setenv("TRACKIO_DIR", str(together))
    for name in ("one", "two"):
        run(tmp_path / name, name)
        assert not (tmp_path / name / "trackio").exists()
    monkeypatch.setattr(sqlite_storage, "TRACKIO_DIR", together)
    assert sorted(SQLiteStorage.get_runs("tagnet")) == ["one", "two"]
    # Sent twice, kept once.
    assert [row["step"] for row in SQLiteStorage.get_logs("tagnet", "one")] == [1, 1]
