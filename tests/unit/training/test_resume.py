"""Resume points: whole, checked, two deep, and only where a run can go on."""

from __future__ import annotations

import hashlib
import logging
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pytorch_lightning.callbacks import EarlyStopping

from tagnet.data.datamodule import TextDataModule
from tagnet.errors import ConfigError
from tagnet.training import resume as resume_file
from tagnet.training.resume import ResumePoints, latest_resume_point, remove_resume_points
from tagnet.training.stopping import EXIT_CODE, Stopped, StopRequests

MODULE = cast(Any, None)


class StubTrainer:
    """What resume points ask of a trainer; its checkpoints name the step and the place."""

    def __init__(self, data: Any, *, batches: int = 6, accumulate: int = 1) -> None:
        self.data = data
        self.batches, self.accumulate = batches, accumulate
        self.global_step = self.current_epoch = 0
        self.is_last_batch = self.should_stop = False
        self.strategy = SimpleNamespace(root_device=None, barrier=lambda: None)
        self.is_global_zero = True
        self.early_stopping_callbacks: list[EarlyStopping] = []
        self.saved: list[tuple[int, tuple[int, int]]] = []

    def save_checkpoint(self, path: Path) -> None:
        self.saved.append((self.global_step, self.data.place))
        path.write_text(f"step {self.global_step} epoch {self.current_epoch}")

    def run_epoch(self, points: ResumePoints, sigterm_at: int | None = None) -> None:
        """The hooks of an epoch, in Lightning's order; SIGTERM comes while a batch is computed."""
        for batch in range(self.batches):
            self.is_last_batch = batch == self.batches - 1
            self.global_step += (batch + 1) % self.accumulate == 0 or self.is_last_batch
            if batch == sigterm_at:
                signal.raise_signal(signal.SIGTERM)
            points.on_train_batch_end(cast(Any, self), MODULE, None, None, batch)
        points.on_train_epoch_end(cast(Any, self), MODULE)
        self.current_epoch += 1


@pytest.fixture(autouse=True)
def _signals_as_they_were() -> Iterator[None]:
    with StopRequests():
        yield


def make(folder: Path, every_steps: int | None, **more: int) -> tuple[ResumePoints, StubTrainer]:
    data = SimpleNamespace(place=(0, 0))
    points = ResumePoints(folder, cast(TextDataModule, data), every_steps, StopRequests())
    trainer = StubTrainer(data, **more)
    points.on_train_start(cast(Any, trainer), MODULE)
    return points, trainer


def write(folder: Path, step: int, content: bytes) -> Path:
    path = folder / f"resume-{step:08d}-{hashlib.sha256(content).hexdigest()[:16]}.ckpt"
    path.write_bytes(content)
    return path


# ------------------------------------------------------------------------------------------------------------ reading


def test_the_newest_whole_point_is_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert latest_resume_point(tmp_path / "nowhere") is None
    assert latest_resume_point(tmp_path) is None
    for name in ("best.ckpt", ".resume.part", "resume-last.ckpt"):
        (tmp_path / name).write_text("")
    assert latest_resume_point(tmp_path) is None
    older, newer = write(tmp_path, 90, b"older"), write(tmp_path, 100, b"newer")
    point = latest_resume_point(tmp_path)
    assert point is not None
    assert (point.path, point.step) == (newer, 100)
    assert not caplog.records

    newer.write_bytes(b"newe")
    point = latest_resume_point(tmp_path)
    assert point is not None
    assert (point.path, point.step) == (older, 90)
    assert "is damaged" in caplog.text
    older.write_bytes(b"")
    assert latest_resume_point(tmp_path) is None


def test_a_finished_run_keeps_its_best_weights_alone(tmp_path: Path) -> None:
    write(tmp_path, 1, b"a")
    (tmp_path / ".best.ckpt.0a1b2c3d.part").write_text("half")
    (tmp_path / "best.ckpt").write_text("")
    remove_resume_points(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["best.ckpt"]


# ------------------------------------------------------------------------------------------------------------ writing


def test_what_a_kill_left_half_written_goes_when_training_starts(tmp_path: Path) -> None:
    point = write(tmp_path, 1, b"a")
    for name in (".best.ckpt.0a1b2c3d.part", "..resume.part.0a1b2c3d.part", ".resume.part"):
        (tmp_path / name).write_text("half")
    make(tmp_path, None)
    assert list(tmp_path.iterdir()) == [point]


def test_a_point_is_written_at_the_end_of_every_epoch(tmp_path: Path) -> None:
    points, trainer = make(tmp_path, None)
    for _ in range(3):
        trainer.run_epoch(points)
    assert trainer.saved == [(6, (1, 0)), (12, (2, 0)), (18, (3, 0))]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [name[:15] for name in names] == ["resume-00000012", "resume-00000018"]
    point = latest_resume_point(tmp_path)
    assert point is not None
    assert point.path.read_text() == "step 18 epoch 2"


def test_points_within_an_epoch_hold_the_place(tmp_path: Path) -> None:
    points, trainer = make(tmp_path, 2)
    trainer.run_epoch(points)
    trainer.run_epoch(points)
    # The sixth step is the epoch's last: its point comes after validation.
    assert trainer.saved == [(2, (0, 2)), (4, (0, 4)), (6, (1, 0)), (8, (1, 2)), (10, (1, 4)), (12, (2, 0))]


def test_a_point_never_stands_between_the_batches_of_a_step(tmp_path: Path) -> None:
    points, trainer = make(tmp_path, 1, accumulate=2)
    trainer.run_epoch(points)
    assert trainer.saved == [(1, (0, 2)), (2, (0, 4)), (3, (1, 0))]


def test_a_request_to_end_writes_a_point_first(tmp_path: Path) -> None:
    points, trainer = make(tmp_path, 500)
    with pytest.raises(Stopped) as stop:
        trainer.run_epoch(points, sigterm_at=2)
    assert stop.value.code == EXIT_CODE
    assert trainer.saved == [(3, (0, 3))]


def test_a_request_to_end_between_the_batches_of_a_step_waits_for_the_step(tmp_path: Path) -> None:
    points, trainer = make(tmp_path, 500, accumulate=2)
    with pytest.raises(Stopped):
        trainer.run_epoch(points, sigterm_at=2)
    # The gradients of the third batch are in no checkpoint: a point there would lose them.
    assert trainer.saved == [(2, (0, 4))]


def test_a_request_to_end_at_the_last_batch_waits_for_the_validation(tmp_path: Path) -> None:
    points, trainer = make(tmp_path, 500)
    with pytest.raises(Stopped):
        trainer.run_epoch(points, sigterm_at=5)
    assert trainer.saved == [(6, (1, 0))]


def test_a_request_to_end_before_the_first_batch_is_heard(tmp_path: Path) -> None:
    points, trainer = make(tmp_path, 500)
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(Stopped):
        points.on_train_start(cast(Any, trainer), MODULE)
    assert trainer.saved == []


def test_other_processes_take_part_and_write_nothing(tmp_path: Path) -> None:
    points, trainer = make(tmp_path, None)
    trainer.is_global_zero = False
    trainer.run_epoch(points)
    assert len(trainer.saved) == 1
    assert latest_resume_point(tmp_path) is None


# ----------------------------------------------------------------------------------------------------- start and stop


@pytest.mark.parametrize(("waited", "stops"), [(0, False), (1, False), (2, True)])
def test_a_run_that_had_stopped_early_does_not_go_on(waited: int, stops: bool, tmp_path: Path) -> None:
    points, trainer = make(tmp_path, None)
    early = EarlyStopping(monitor="val.map", patience=2)
    early.wait_count = waited
    trainer.early_stopping_callbacks = [early]
    points.on_train_start(cast(Any, trainer), MODULE)
    assert trainer.should_stop is stops


def test_processes_that_find_different_points_do_not_share_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points, trainer = make(tmp_path, None)
    monkeypatch.setattr(resume_file, "gather", lambda step: [step, 4])
    with pytest.raises(ConfigError, match=r"run\.dir: .* share; .* steps 0, 4"):
        points.on_train_start(cast(Any, trainer), MODULE)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Stopped()])
def test_an_interrupted_run_says_how_to_go_on(
    error: BaseException, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    points, trainer = make(tmp_path, None)
    trainer.global_step = 7
    points.on_train_start(cast(Any, trainer), MODULE)
    with caplog.at_level(logging.INFO, "tagnet"):
        points.on_exception(cast(Any, trainer), MODULE, error)
        trainer.global_step = 9
        points.on_exception(cast(Any, trainer), MODULE, error)
    assert caplog.messages == [
        "stopped at step 7; the same command goes on from there",
        "stopped at step 9; the same command goes on from step 7",
    ]
    caplog.clear()
    points.on_exception(cast(Any, trainer), MODULE, ValueError())
    trainer.is_global_zero = False
    points.on_exception(cast(Any, trainer), MODULE, error)
    assert not caplog.messages
