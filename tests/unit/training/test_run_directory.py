"""A run's directory is taken once, held by one process, and taken up only by the same run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tagnet.config import TrainConfig
from tagnet.data.prepare import Prepared, prepare
from tagnet.errors import RunDirectoryError
from tagnet.training.run_directory import check_run_directory, fingerprints, open_run_directory

PRINTS = {"records": "r", "taxonomy": "t", "label space": "l", "split": "s"}

Make = Callable[..., TrainConfig]


def start(folder: Path, config: TrainConfig, prints: dict[str, str] = PRINTS) -> None:
    """Begin a run there, and leave it unfinished."""
    with open_run_directory(folder, config, prints):
        (folder / "data.json").write_text(json.dumps({"fingerprints": prints}))


def test_a_check_makes_nothing(tmp_path: Path, config: TrainConfig) -> None:
    check_run_directory(tmp_path / "new", config)
    assert not (tmp_path / "new").exists()


def test_a_new_directory_holds_the_settings_and_no_lock_once_it_is_done(tmp_path: Path, config: TrainConfig) -> None:
    folder = tmp_path / "above" / "run"
    with open_run_directory(folder, config, PRINTS):
        assert (folder / ".lock").exists()
    assert [path.name for path in folder.iterdir()] == ["config.yaml"]
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    assert settings["labels"]["min_count"] == 5
    assert settings["run"]["dir"] is None


def test_a_finished_run_is_refused(tmp_path: Path, config: TrainConfig) -> None:
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(RunDirectoryError, match="never overwritten"):
        check_run_directory(tmp_path, config)


def test_a_folder_of_other_things_is_refused(tmp_path: Path, config: TrainConfig) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(RunDirectoryError, match=r"found thesis\.tex"):
        check_run_directory(tmp_path, config)


def test_a_file_is_refused(tmp_path: Path, config: TrainConfig) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError, match="cannot be written"):
        check_run_directory(tmp_path / "file", config)
    with (
        pytest.raises(RunDirectoryError, match="cannot be written"),
        open_run_directory(tmp_path / "file" / "run", config, PRINTS),
    ):
        pass


def test_an_unfinished_run_is_taken_up_with_its_own_settings_alone(
    tmp_path: Path, config: TrainConfig, make_config: Make
) -> None:
    start(tmp_path, config)
    check_run_directory(tmp_path, make_config("run.dir=elsewhere"))
    start(tmp_path, config)
    with pytest.raises(RunDirectoryError, match=r"optim\.lr was 0\.0001, is 5e-05"):
        check_run_directory(tmp_path, make_config("optim.lr=5e-5"))
    # A key that only one of the two has.
    with pytest.raises(RunDirectoryError, match=r"loss\.\w+ was "):
        check_run_directory(tmp_path, make_config("loss=focal"))


def test_what_an_interrupted_start_leaves_behind_is_no_stranger(tmp_path: Path, config: TrainConfig) -> None:
    for name in (".lock", ".config.yaml.0a1b2c3d.part"):
        (tmp_path / name).write_text("")
    check_run_directory(tmp_path, config)
    start(tmp_path, config)


@pytest.mark.parametrize("name", list(PRINTS))
def test_an_unfinished_run_is_taken_up_with_its_own_data_alone(name: str, tmp_path: Path, config: TrainConfig) -> None:
    start(tmp_path, config)
    with pytest.raises(RunDirectoryError, match=f"its {name} changed"):
        start(tmp_path, config, PRINTS | {name: "other"})
    start(tmp_path, config)


# -------------------------------------------------------------------------------------------------------------- lock


def test_a_directory_is_held_by_one(tmp_path: Path, config: TrainConfig) -> None:
    with open_run_directory(tmp_path, config, PRINTS), pytest.raises(RunDirectoryError, match="another process"):
        start(tmp_path, config)
    start(tmp_path, config)


def test_another_process_holds_it_until_it_is_killed(tmp_path: Path, config: TrainConfig) -> None:
    start(tmp_path, config)
    script = (
        "import fcntl, sys, time; lock = open(sys.argv[1], 'w'); fcntl.flock(lock, fcntl.LOCK_EX); "
        "print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / ".lock")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunDirectoryError, match="another process is training there"):
            start(tmp_path, config)
    finally:
        holder.kill()
        holder.communicate(timeout=60)
    start(tmp_path, config)


def test_a_run_that_fails_lets_go(tmp_path: Path, config: TrainConfig) -> None:
    with pytest.raises(ZeroDivisionError), open_run_directory(tmp_path, config, PRINTS):
        raise ZeroDivisionError
    check_run_directory(tmp_path, config)
    start(tmp_path, config)


# ------------------------------------------------------------------------------------------------------ fingerprints


def test_fingerprints_follow_from_what_was_read(
    prepared: Prepared, config: TrainConfig, make_config: Make, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    first = fingerprints(prepared)
    assert first == fingerprints(prepare(config, rows))

    def differ(settings: TrainConfig, rows: list[dict[str, Any]], **more: Any) -> set[str]:
        found = fingerprints(prepare(settings, rows, **more))
        return {name for name in first if found[name] != first[name]}

    assert differ(make_config("run.seed=1"), rows) == {"split"}
    taxonomy = tmp_path / "tags.json"
    taxonomy.write_text(json.dumps([{"tag": tag, "aliases": [], "parents": []} for tag in ("red", "green", "blue")]))
    assert differ(config, rows, taxonomy=taxonomy) == {"taxonomy"}
    changed = [dict(row) for row in rows]
    changed[0]["title"] = "Another title"
    assert differ(config, changed) == {"records"}
    assert {"records", "label space"} <= differ(config, [dict(row, tags=["red", "new"]) for row in rows])
