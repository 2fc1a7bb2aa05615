"""The job script, run as Slurm runs it: `srun` and `scontrol` are stand-ins, the tasks and their signals are real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SETTINGS = (
    "encoder=tiny",
    "trainer.accelerator=cpu",
    "trainer.max_epochs=2",
    "trainer.batch_size=32",
    "labels.min_count=20",
    "evaluation.bootstrap_samples=50",
    "evaluation.baselines=[]",
    "logger=none",
)
COMPARED = ("metrics.json", "metrics.jsonl", "per_tag.csv")

# As in srun's manual: every task knows its place, signals are passed on to all of them, the highest exit code is
# returned, and --kill-on-bad-exit ends all with the first that fails.
SRUN = """#!{python}
import os, signal, subprocess, sys, time
words = sys.argv[1:]
options = [word for word in words if word.startswith("--")]
command = words[len(options):]
assert {{"--kill-on-bad-exit=1", "--wait=0"}} <= set(options), options
total, here = int(os.environ["SLURM_NTASKS"]), int(os.environ["SLURM_NTASKS_PER_NODE"])
tasks = []
def pass_on(number, frame):
    for task in tasks:
        if task.poll() is None:
            task.send_signal(number)
for number in (signal.SIGUSR1, signal.SIGTERM):
    signal.signal(number, pass_on)
for rank in range(total):
    place = dict(SLURM_PROCID=rank, SLURM_LOCALID=rank % here, SLURM_NODEID=rank // here, SLURM_STEP_ID=0,
                 SLURM_STEP_NUM_TASKS=total, SLURM_STEP_NUM_NODES=total // here)
    tasks.append(subprocess.Popen(command, env=os.environ | {{name: str(value) for name, value in place.items()}}))
open(os.environ["FAKE_SRUN_PID"], "w").write(str(os.getpid()))
while any(task.poll() is None for task in tasks):
    if any(task.poll() for task in tasks):
        for task in tasks:
            if task.poll() is None:
                task.kill()
    time.sleep(0.02)
sys.exit(max(code if code >= 0 else 128 - code for code in (task.wait() for task in tasks)))
"""
SCONTROL = """#!/bin/sh
echo "$@" >>"$FAKE_SCONTROL_CALLS"
"""


class Cluster:
    """A folder of stand-ins, and what the job's script says and asks for."""

    def __init__(self, folder: Path, script: Path) -> None:
        self.script = script
        self.pid, self.calls, self.said = folder / "pid", folder / "calls", folder / "said"
        self.programs = folder / "bin"
        self.programs.mkdir()
        for name, text in (("srun", SRUN.format(python=sys.executable)), ("scontrol", SCONTROL)):
            (self.programs / name).write_text(text)
            (self.programs / name).chmod(0o755)

    def start(self, *settings: str, restarts: int = 0, nodes: int = 1, tasks: int = 2) -> subprocess.Popen[bytes]:
        """Run the script with `settings`, as Slurm starts a batch job."""
        self.pid.unlink(missing_ok=True)
        job = {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "TAGNET": str(Path(sys.executable).parent / "tagnet"),
            "FAKE_SRUN_PID": str(self.pid),
            "FAKE_SCONTROL_CALLS": str(self.calls),
            "SLURM_JOB_ID": str(40_000 + os.getpid() % 10_000),
            "SLURM_JOB_NAME": "tagnet",
            "SLURM_JOB_NODELIST": "localhost",
            "SLURM_NODELIST": "localhost",
            "SLURM_NNODES": str(nodes),
            "SLURM_NTASKS": str(tasks),
            "SLURM_NTASKS_PER_NODE": str(tasks // nodes),
            "SLURM_CPUS_PER_TASK": "1",
            "SLURM_PROCID": "0",
            "SLURM_LOCALID": "0",
            "SLURM_NODEID": "0",
            **({"SLURM_RESTART_COUNT": str(restarts)} if restarts else {}),
        }
        with self.said.open("a") as said:
            return subprocess.Popen(
                ["bash", str(self.script), *settings], stdout=said, stderr=said, env=os.environ | job
            )

    def run(self, *settings: str, restarts: int = 0, nodes: int = 1, tasks: int = 2) -> int:
        """Run the script to its end; its exit code."""
        return self.start(*settings, restarts=restarts, nodes=nodes, tasks=tasks).wait(timeout=300)

    def signal_tasks(self, number: signal.Signals) -> None:
        """What a pre-emption does: all tasks are told, the script is not."""
        os.kill(int(self.pid.read_text()), number)

    @property
    def requeued(self) -> int:
        """How often the job was put back into the queue."""
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0


@pytest.fixture
def cluster(repository: Path, tmp_path: Path) -> Cluster:
    return Cluster(tmp_path, repository / "scripts" / "slurm" / "train.sbatch")


@pytest.fixture(scope="module")
def undisturbed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a job that nobody disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    cluster = Cluster(folder, repository / "scripts" / "slurm" / "train.sbatch")
    assert cluster.run(*SETTINGS, f"run.dir={folder / 'run'}") == 0, cluster.said.read_text()
    assert cluster.said.read_text().count("report   ") == 1
    return folder / "run"


def wait_for(met: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 150
    while not met() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    assert met()


def is_training(run: Path) -> bool:
    log = run / "run.log"
    return log.exists() and "epoch 1/2" in log.read_text()


def stopped_at(said: str) -> int:
    return int(said.split("stopped at step ")[-1].split(";")[0])


@pytest.mark.parametrize("told", ["the script, by sbatch --signal", "the tasks, by a pre-emption"])
@pytest.mark.long
def test_a_job_that_is_told_to_stop_ends_as_if_nothing_had_been(
    told: str, cluster: Cluster, undisturbed: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    job = cluster.start(*SETTINGS, f"run.dir={run}")
    # No resume point is due within an epoch: the one of the stop is there because of the signal.
    wait_for(lambda: is_training(run), job)
    if told.startswith("the script"):
        job.send_signal(signal.SIGUSR1)
    else:
        cluster.signal_tasks(signal.SIGTERM)
    assert job.wait(timeout=60) in (143, 137)  # the task beside the first may have been killed as it ended
    said = cluster.said.read_text()
    step = stopped_at(said)
    assert f"stopped at step {step}; the same command goes on from there" in said
    assert said.count("stopped at step") == 1
    assert "Traceback" not in said
    assert list((run / "checkpoints").glob(f"resume-{step:08d}-*.ckpt"))
    # What is pre-empted Slurm itself puts back.
    requeued = cluster.requeued
    assert requeued == told.startswith("the script")

    assert cluster.run(*SETTINGS, f"run.dir={run}", restarts=1) == 0, cluster.said.read_text()
    assert f"continuing from step {step}" in cluster.said.read_text()
    for name in COMPARED:
        assert (run / name).read_bytes() == (undisturbed / name).read_bytes(), name
    assert cluster.requeued == requeued

    # Requeued once more by a pre-emption that came as it ended: there is nothing left to do.
    before = (run / "metrics.json").stat().st_mtime_ns
    assert cluster.run(*SETTINGS, f"run.dir={run}", restarts=2) == 0
    assert (run / "metrics.json").stat().st_mtime_ns == before


@pytest.mark.long
def test_a_job_that_is_told_to_stop_before_it_trains_is_requeued(cluster: Cluster, tmp_path: Path) -> None:
    job = cluster.start(*SETTINGS, f"run.dir={tmp_path / 'run'}")
    wait_for(cluster.pid.exists, job)
    time.sleep(1)
    job.send_signal(signal.SIGUSR1)
    assert job.wait(timeout=60) == 138
    assert cluster.requeued == 1


def test_tasks_on_two_machines(cluster: Cluster, undisturbed: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert cluster.run(*SETTINGS, f"run.dir={run}", nodes=2) == 0, cluster.said.read_text()
    for name in COMPARED:
        assert (run / name).read_bytes() == (undisturbed / name).read_bytes(), name


@pytest.mark.long
def test_one_task_may_start_processes_of_its_own(cluster: Cluster, undisturbed: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert cluster.run(*SETTINGS, "trainer.devices=2", f"run.dir={run}", tasks=1) == 0, cluster.said.read_text()
    assert json.loads((run / "metrics.json").read_text()) == json.loads((undisturbed / "metrics.json").read_text())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("run.dir=RUN", "trainer.devices=3"), "trainer.devices=3, trainer.num_nodes=None: srun has started 2"),
        (
            ("run.dir=RUN", "trainer=cpu"),
            "trainer.strategy=single: expected one process, found 2",
        ),
        (("run.dir=RUN", "optim.lrr=1"), "optim.lrr: there is no such key; did you mean optim.lr?"),
        ((), "train.sbatch: expected run.dir=FOLDER"),
    ],
)
def test_mistakes_are_said_once_and_not_requeued(
    settings: tuple[str, ...], message: str, cluster: Cluster, tmp_path: Path
) -> None:
    words = [word.replace("RUN", str(tmp_path / "run")) for word in settings]
    assert cluster.run(*SETTINGS, *words) in (2, 137)  # srun kills the other task
    assert cluster.said.read_text().count(message) == 1, cluster.said.read_text()
    assert cluster.requeued == 0
    assert not (tmp_path / "run").exists()


def test_the_script_is_a_batch_script(repository: Path) -> None:
    script = repository / "scripts" / "slurm" / "train.sbatch"
    assert subprocess.run(["bash", "-n", str(script)]).returncode == 0
    lines = script.read_text().splitlines()
    directives = [number for number, line in enumerate(lines) if line.startswith("#SBATCH ")]
    first_command = next(n for n, line in enumerate(lines) if line.strip() and not line.startswith("#"))
    assert directives
    assert max(directives) < first_command  # sbatch reads none after it
    options = {lines[number].split()[1].partition("=")[0] for number in directives}
    assert {"--signal", "--requeue", "--open-mode", "--ntasks-per-node"} <= options
