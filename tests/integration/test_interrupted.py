"""A run that fails in this process and is started again ends as if nothing had happened.

tests/integration/test_resume.py does the same from outside, with SIGKILL.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.cli.compose import train_config
from tagnet.errors import RunDirectoryError
from tagnet.training import fit as fit_file
from tagnet.training.callbacks import CollapseCheck, MetricsLog
from tagnet.training.fit import fit
from tagnet.training.module import TaggerModule
from tagnet.training.resume import ResumePoints, latest_resume_point

SETTINGS = (
    "trainer.max_epochs=3",
    "trainer.checkpoint_steps=2",
    "trainer.monitor=val.loss",
    "evaluation.baselines=[]",
)
COMPARED = ("metrics.json", "metrics.jsonl", "per_tag.csv", "split.json")

Train = Callable[..., Path]


class PowerCutError(Exception):
    """What befalls a run here."""


@pytest.fixture(scope="module")
def train(small: tuple[str, ...], small_records: Path) -> Train:
    def run(folder: Path, *settings: str) -> Path:
        return fit(train_config(*small, f"data.records={small_records}", *SETTINGS, *settings, f"run.dir={folder}")).dir

    return run


@pytest.fixture(scope="module")
def undisturbed(train: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("undisturbed") / "run")


@pytest.fixture(scope="module")
def undisturbed_accumulating(train: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("undisturbed") / "run", "trainer.accumulate=2")


def fail_at(patch: pytest.MonkeyPatch, owner: Any, name: str, call: int, *, before: bool = True) -> None:
    """Let the n-th call of a function raise, before or after it does what it does."""
    real, calls = getattr(owner, name), 0

    def failing(*words: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if before and calls == call:
            raise PowerCutError
        result = real(*words, **named)
        if calls == call:
            raise PowerCutError
        return result

    patch.setattr(owner, name, failing)


def interrupt(train: Train, folder: Path, place: tuple[Any, str, int, bool], *settings: str) -> None:
    owner, name, call, before = place
    with pytest.MonkeyPatch.context() as patch:
        fail_at(patch, owner, name, call, before=before)
        with pytest.raises(PowerCutError):
            train(folder, *settings)
    assert not (folder / "metrics.json").exists()


def assert_same(folder: Path, other: Path) -> None:
    for name in COMPARED:
        assert (folder / name).read_bytes() == (other / name).read_bytes(), name
    assert not list((folder / "checkpoints").glob("*resume*"))


# The records make 6 batches an epoch.
PLACES: dict[str, tuple[Any, str, int, bool]] = {
    "before the first resume point": (TaggerModule, "training_step", 2, True),
    "in the middle of an epoch": (TaggerModule, "training_step", 10, False),
    "in the middle of validation": (TaggerModule, "validation_step", 2, False),
    "at the end of an epoch, before its metrics are written": (CollapseCheck, "on_validation_epoch_end", 2, True),
    "at the end of an epoch, after its metrics are written": (MetricsLog, "on_validation_end", 2, False),
    "at the end of an epoch, before its resume point is written": (ResumePoints, "on_train_epoch_end", 2, True),
    "at the end of an epoch, after its resume point is written": (ResumePoints, "on_train_epoch_end", 2, False),
    "after training, before the bundle is written": (fit_file, "write_bundle", 1, True),
    "after training, before the results are written": (fit_file, "write_results", 1, True),
}


@pytest.mark.parametrize("place", PLACES)
def test_an_interrupted_run_ends_like_an_undisturbed_one(
    place: str, train: Train, undisturbed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    interrupt(train, folder, PLACES[place])
    train(folder)
    assert_same(folder, undisturbed)
    log = (folder / "run.log").read_text()
    assert ("continuing from step" in log) is (place != "before the first resume point")


def test_it_may_be_interrupted_again_and_again(train: Train, undisturbed: Path, tmp_path: Path) -> None:
    for call in (5, 4, 8):
        interrupt(train, tmp_path / "run", (TaggerModule, "training_step", call, False))
    train(tmp_path / "run")
    assert_same(tmp_path / "run", undisturbed)


@pytest.mark.parametrize("call", [3, 4, 9])
def test_steps_of_several_batches_are_not_torn(
    call: int, train: Train, undisturbed_accumulating: Path, tmp_path: Path
) -> None:
    interrupt(train, tmp_path / "run", (TaggerModule, "training_step", call, False), "trainer.accumulate=2")
    train(tmp_path / "run", "trainer.accumulate=2")
    assert_same(tmp_path / "run", undisturbed_accumulating)


def test_a_folder_that_was_moved_goes_on(train: Train, undisturbed: Path, tmp_path: Path) -> None:
    interrupt(train, tmp_path / "here", (TaggerModule, "training_step", 10, False))
    shutil.move(tmp_path / "here", tmp_path / "there")
    train(tmp_path / "there")
    assert_same(tmp_path / "there", undisturbed)


def test_a_damaged_resume_point_falls_back(train: Train, undisturbed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    interrupt(train, folder, (TaggerModule, "training_step", 10, False))
    point = latest_resume_point(folder / "checkpoints")
    assert point is not None
    point.path.write_bytes(point.path.read_bytes()[:-100])
    train(folder)
    assert_same(folder, undisturbed)
    assert f"{point.path} is damaged" in (folder / "run.log").read_text()


def test_a_changed_split_file_is_refused(
    train: Train, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = tmp_path / "split.json"
    shutil.copy(undisturbed / "split.json", split)
    interrupt(train, tmp_path / "run", (TaggerModule, "training_step", 5, False), f"split.file={split}")
    ids = json.loads(split.read_text())
    ids["test"].append(ids["train"].pop())
    split.write_text(json.dumps(ids))
    with pytest.raises(RunDirectoryError, match="its split changed since it was started"):
        train(tmp_path / "run", f"split.file={split}")
    shutil.copy(undisturbed / "split.json", split)
    train(tmp_path / "run", f"split.file={split}")


def test_changed_records_are_refused(train: Train, small_records: Path, tmp_path: Path) -> None:
    records = tmp_path / "records.json"
    shutil.copy(small_records, records)
    interrupt(train, tmp_path / "run", (TaggerModule, "training_step", 5, False), f"data.records={records}")
    records.write_text(records.read_text().replace("the", "The", 1))
    with pytest.raises(RunDirectoryError, match="its records changed since it was started"):
        train(tmp_path / "run", f"data.records={records}")
