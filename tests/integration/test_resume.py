"""A run that is killed goes on with the same command, and ends as if it had never stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tagnet.training.resume import latest_resume_point

pytestmark = pytest.mark.slow

SETTINGS = (
    "encoder=tiny",
    "trainer.max_epochs=3",
    "trainer.batch_size=32",
    "trainer.checkpoint_steps=5",
    "labels.min_count=20",
    "evaluation.bootstrap_samples=50",
    "evaluation.baselines=[prior]",
)
PROCESSES = {
    "one": ("trainer=cpu",),
    "two": ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"),
    "two that share the weights": ("trainer=fsdp", "trainer.accelerator=cpu", "trainer.devices=2"),
}


def start(folder: Path, *settings: str) -> subprocess.Popen[str]:
    """Start the command in a group of its own, so that a kill takes all its processes."""
    command = [sys.executable, "-m", "tagnet.cli.main", "train", *SETTINGS, *settings, f"run.dir={folder}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)


def finish(folder: Path, *settings: str) -> str:
    """Run the command to its end; what it said."""
    process = start(folder, *settings)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return err


def kill_at(step: int, folder: Path, *settings: str) -> None:
    """Start the command, and kill it when its newest resume point is of this step or a later one."""
    process = start(folder, *settings)
    newest, deadline = 0, time.monotonic() + 200
    while newest < step and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
        newest = max((int(path.name.split("-")[1]) for path in folder.glob("checkpoints/resume-*.ckpt")), default=0)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, said
    assert newest >= step
    assert not (folder / "metrics.json").exists()


@pytest.mark.parametrize(
    "processes", ["one", pytest.param("two", marks=pytest.mark.long), "two that share the weights"]
)
def test_killed_runs_end_with_the_metrics_of_an_undisturbed_one(processes: str, tmp_path: Path) -> None:
    more = PROCESSES[processes]
    finish(tmp_path / "undisturbed", *more)
    killed = tmp_path / "killed"
    for step in (5, 25, 45):
        kill_at(step, killed, *more)
    said = finish(killed, *more)
    assert "continuing from step" in said
    for name in ("metrics.json", "metrics.jsonl", "per_tag.csv"):
        assert (killed / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes(), name


def test_a_damaged_resume_point_falls_back_to_the_one_before(tmp_path: Path) -> None:
    finish(tmp_path / "undisturbed", "trainer=cpu")
    killed = tmp_path / "killed"
    kill_at(25, killed, "trainer=cpu")
    newest = latest_resume_point(killed / "checkpoints")
    assert newest is not None
    content = bytearray(newest.path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    newest.path.write_bytes(content)
    said = finish(killed, "trainer=cpu")
    assert "is damaged" in said
    assert f"continuing from step {newest.step}" not in said
    assert "continuing from step" in said
    assert (killed / "metrics.json").read_bytes() == (tmp_path / "undisturbed" / "metrics.json").read_bytes()


def test_an_unfinished_run_is_continued_only_with_its_own_settings_and_records(tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    kill_at(5, killed, "trainer=cpu")
    process = start(killed, "trainer=cpu", "optim.lr=5e-5")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "optim.lr was 0.0001, is 5e-05" in err
    data = json.loads((killed / "data.json").read_text())
    data["fingerprints"]["records"] = "of other records"
    (killed / "data.json").write_text(json.dumps(data))
    process = start(killed, "trainer=cpu")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "its records changed since it was started" in err
