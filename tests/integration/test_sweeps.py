"""Many runs from one command: every launcher, Optuna with several workers, and kills in the middle."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from tagnet.workflows.study_files import Trial, read_sweep, read_trials

pytestmark = pytest.mark.slow

SETTINGS = (
    "encoder=tiny",
    "trainer=cpu",
    "trainer.max_epochs=2",
    "trainer.batch_size=32",
    "labels.min_count=20",
    "evaluation.bootstrap_samples=50",
    "logger=none",
)


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "tagnet.cli.main", "train", "-m", *words]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "160"}


def sweep(folder: Path, *words: str, code: int = 0) -> tuple[str, str]:
    """Run a sweep to its end: what it printed, and what it said."""
    done = subprocess.run(
        command(*words, f"run.dir={folder}"), capture_output=True, text=True, timeout=900, env=environment()
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def records(small_records: Path) -> str:
    return f"data.records={small_records}"


@pytest.fixture(scope="module")
def one_after_the_other(records: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweeps") / "local"
    sweep(folder, *SETTINGS, records, "loss=bce,focal")
    return folder


def outcome(trial: Trial) -> tuple[object, ...]:
    """What must not depend on where and when a trial ran."""
    return trial.number, trial.overrides, trial.state, trial.value, trial.tie_break, trial.history


def test_a_grid_runs_every_combination(one_after_the_other: Path) -> None:
    trials = read_trials(one_after_the_other)
    assert [trial.params for trial in trials] == [{"loss": "bce"}, {"loss": "focal"}]
    assert {trial.state for trial in trials} == {"complete"}
    for trial in trials:
        run = one_after_the_other / "trials" / f"{trial.number:04d}"
        assert json.loads((run / "metrics.json").read_text()).keys() >= {"val"}
        assert "test" not in json.loads((run / "metrics.json").read_text())
    assert (one_after_the_other / "compare.html").is_file()
    assert (one_after_the_other / "best.yaml").is_file()


@pytest.mark.parametrize(
    "launcher",
    [pytest.param("joblib", marks=pytest.mark.long), "submitit_local", pytest.param("ray", marks=pytest.mark.long)],
)
def test_every_launcher_does_the_same(launcher: str, one_after_the_other: Path, records: str, tmp_path: Path) -> None:
    sweep(tmp_path / "sweep", *SETTINGS, records, "loss=bce,focal", f"launcher={launcher}")
    found = [outcome(trial) for trial in read_trials(tmp_path / "sweep")]
    assert found == [outcome(trial) for trial in read_trials(one_after_the_other)]


def test_a_finished_grid_is_not_run_again(one_after_the_other: Path, records: str) -> None:
    before = read_trials(one_after_the_other)
    _, said = sweep(one_after_the_other, *SETTINGS, records, "loss=bce,focal")
    assert "trial 1 is finished" in said
    assert read_trials(one_after_the_other) == before


@pytest.mark.long
def test_the_order_of_the_keys_changes_no_trial(records: str, tmp_path: Path) -> None:
    words = (*SETTINGS, records, "trainer.max_epochs=1")
    keys = ("loss=bce,focal", "optim.lr=1e-4,2e-4")
    sweep(tmp_path / "sweep", *words, *keys)
    before = read_trials(tmp_path / "sweep")
    assert [tuple(trial.params.values()) for trial in before] == [
        ("bce", 1e-4), ("bce", 2e-4), ("focal", 1e-4), ("focal", 2e-4),
    ]  # fmt: skip
    (tmp_path / "sweep" / "trials" / "0001.json").unlink()
    _, said = sweep(tmp_path / "sweep", *words, *reversed(keys))
    assert "trial 2 is finished" in said
    again = read_trials(tmp_path / "sweep")
    assert [trial.params for trial in again] == [trial.params for trial in before]
    assert {trial.state for trial in again} == {"complete"}


def test_a_sweep_in_which_all_fail_says_so(records: str, tmp_path: Path) -> None:
    words = (*SETTINGS, records, "optim.clip_norm=null", "optim.lr=1e37,1e38")
    _, said = sweep(tmp_path / "sweep", *words, code=2)
    assert "all 2 trials failed, the first of them with: " in said


def test_another_grid_is_refused_in_its_folder(one_after_the_other: Path, records: str) -> None:
    _, said = sweep(one_after_the_other, *SETTINGS, records, "loss=bce,asl", code=2)
    assert "another sweep is there" in said
    assert "loss was choice(bce,focal), is choice(bce,asl)" in said


OPTUNA = (
    "sweeper=optuna",
    "space=none",
    "loss=bce,focal,zlpr",
    "optim.lr=tag(log,interval(1e-5,1e-2))",
    "optim.head_lr=tag(log,interval(1e-5,1e-1))",
    "sweeper.trials=8",
    "sweeper.startup_trials=3",
    "sweeper.warmup_epochs=0",
    "trainer.checkpoint_steps=3",
)


def test_a_sweep_that_is_killed_loses_nothing_and_counts_nothing_twice(records: str, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    words = (*SETTINGS, records, *OPTUNA, "launcher=joblib", "launcher.n_jobs=2", f"run.dir={folder}")
    # First the sweep's own process alone, as the system kills one that takes too much memory; then all of them.
    for ended, kill in ((1, os.kill), (3, os.killpg)):
        process = subprocess.Popen(
            command(*words),
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=environment(),
            start_new_session=True,
        )
        deadline = time.monotonic() + 500
        while time.monotonic() < deadline and process.poll() is None:
            states = [trial.state for trial in read_trials(folder)] if (folder / "sweep.json").exists() else []
            if len(states) - states.count("running") >= ended and "running" in states:
                break
            time.sleep(0.05)
        assert process.poll() is None
        kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        before = {trial.number: trial for trial in read_trials(folder) if trial.state != "running"}
        assert 0 < len(before) < 8
    sweep(folder, *words)
    trials = read_trials(folder)
    assert [trial.number for trial in trials] == list(range(8))
    assert {trial.state for trial in trials} <= {"complete", "pruned"}
    # What had ended before the kill was not trained again.
    assert {number: trial for number, trial in enumerate(trials) if number in before} == before
    study = optuna.load_study(study_name="tagnet", storage=f"sqlite:///{folder / 'study.db'}")
    names = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}
    assert [trial.state.name for trial in study.trials] == [names[trial.state] for trial in trials]
    for told, trial in zip(study.trials, trials, strict=True):
        assert told.value == pytest.approx(trial.value, abs=1e-5)
        assert dict(trial.history) == pytest.approx(told.intermediate_values)
    # The first one was the recipe as it is.
    assert trials[0].params == {"loss": "bce", "optim.lr": 1e-4, "optim.head_lr": 1e-3}
    assert read_sweep(folder).objective == "val.map_micro"


def test_two_commands_share_a_study(records: str, tmp_path: Path) -> None:
    words = (*SETTINGS, records, *OPTUNA, "sweeper.trials=4", f"run.dir={tmp_path / 'sweep'}")
    both = [
        subprocess.Popen(
            command(*words), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment()
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=600)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    ended = [int(n) for text in said for n in re.findall(r"^trial (\d+) (?:complete|pruned)", text, re.MULTILINE)]
    assert sorted(ended) == [0, 1, 2, 3]
    assert [trial.number for trial in read_trials(tmp_path / "sweep")] == [0, 1, 2, 3]


def test_a_trial_that_fails_says_why_and_the_sweep_goes_on(records: str, tmp_path: Path) -> None:
    _, said = sweep(tmp_path / "sweep", *SETTINGS, records, "optim.lr=1e38,1e-4", "optim.clip_norm=null")
    failed, complete = read_trials(tmp_path / "sweep")
    assert (failed.state, complete.state) == ("failed", "complete")
    assert failed.reason is not None
    assert "no longer finite" in failed.reason
    assert "trial 0 failed: after epoch 1" in said
    # And one whose process is ended from outside.
    folder = tmp_path / "killed"
    process = subprocess.Popen(
        command(*SETTINGS, records, "optim.lr=2e-4,1e-4", f"run.dir={folder}"),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=environment(),
    )
    deadline = time.monotonic() + 300
    while not (folder / "trials" / "0000" / "config.yaml").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    child = subprocess.run(["pgrep", "-f", f"run.dir={folder}/trials/0000"], capture_output=True, text=True, check=True)
    os.kill(int(child.stdout.split()[0]), signal.SIGKILL)
    process.communicate(timeout=600)
    assert process.returncode == 0
    states = [(trial.state, trial.reason) for trial in read_trials(folder)]
    assert states[0][0] == "failed"
    assert "SIGKILL" in str(states[0][1])
    assert states[1] == ("complete", None)


@pytest.mark.long
def test_pruned_trials_in_two_processes_stop_together(records: str, tmp_path: Path) -> None:
    words = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    more = ("sweeper=optuna", "space=none", "optim.head_lr=1e-3,1e-15", "sweeper.trials=6", "sweeper.startup_trials=1")
    small = [word for word in SETTINGS if word != "trainer=cpu"]
    sweep(tmp_path / "sweep", *small, *words, records, *more, "optim.lr=1e-15", "sweeper.warmup_epochs=0")
    trials = read_trials(tmp_path / "sweep")
    assert {trial.state for trial in trials} == {"complete", "pruned"}
    for trial in trials:
        assert (len(trial.history) == 2) or trial.state == "pruned"


def test_the_best_recipe_runs(one_after_the_other: Path, tmp_path: Path) -> None:
    best = one_after_the_other / "best.yaml"
    words = [sys.executable, "-m", "tagnet.cli.main", "train", f"experiment={best}", f"run.dir={tmp_path / 'run'}"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, env=environment())
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics.keys() >= {"val", "test"}
    states = {trial.number: trial for trial in read_trials(one_after_the_other)}
    trial_metrics = json.loads((one_after_the_other / "trials" / "0000" / "metrics.json").read_text())
    better = max(states.values(), key=lambda trial: trial.value or 0.0)
    if better.number == 0:
        # The same weights; a trial predicts validation alone, so its batches, and the last digits, are others.
        assert metrics["val"].keys() == trial_metrics["val"].keys()
        for name, expected in trial_metrics["val"].items():
            assert metrics["val"][name]["value"] == pytest.approx(expected["value"], rel=1e-6), name
        weights = Path("bundle/model.safetensors")
        trial_weights = (one_after_the_other / "trials" / "0000" / weights).read_bytes()
        assert (tmp_path / "run" / weights).read_bytes() == trial_weights
