"""An offline run of Weights & Biases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tagnet.config import WandbConfig
from tagnet.training.tracking.tracker import Line, Results
from tagnet.training.tracking.wandb import WandbStore


def test_all_of_a_run_is_in_its_folder_and_a_later_start_replaces_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_DATA_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = tmp_path / "run"
    folder.mkdir()
    names = []
    for _ in range(2):
        store = WandbStore(WandbConfig("wandb", "tagnet", True), folder, "name")
        store.open({"run.seed": 0})
        assert store.resume([]) == {"train": -1, "val": -1}
        store.send([Line("train", 1, {"train.loss": 0.5}, 0.0)])
        store.finish(Results({"final.val.map": 0.5}, 1, [("a", 0.25, 3)], folder / "report.html"))
        store.close("finished")
        (run,) = (folder / "wandb").glob("offline-run-*")
        names.append(run.name.rsplit("-", 1)[1])
    (table,) = run.glob("files/media/table/tags_*.json")
    assert json.loads(table.read_text())["data"] == [["a", 0.25, 3]]
    assert names == [json.loads((folder / "tracking.json").read_text())["id"]] * 2
    assert not (tmp_path / "home" / ".local").exists()
