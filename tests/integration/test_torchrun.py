"""Processes that torchrun has started, on one machine and on two: the same run as one process.

The two machines are two torchruns on this one, which find each other as they would over a network.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.slow

SETTINGS = (
    "encoder=tiny",
    "trainer.max_epochs=2",
    "trainer.batch_size=32",
    "trainer.checkpoint_steps=5",
    "model.dropout=0",
    "model.encoder_dropout=0",
    "labels.min_count=20",
    "evaluation.bootstrap_samples=50",
    "evaluation.baselines=[]",
    "logger=none",
)
DDP = ("trainer=ddp", "trainer.accelerator=cpu")
PROGRAMS = Path(sys.executable).parent
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a command with its standard error in a file; what is left of it in the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def run(*words: str, said: Path, cwd: Path | None = None, file_size: int | None = None) -> subprocess.Popen[str]:
        def limit() -> None:
            if file_size is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))

        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        with said.open("a") as stream:
            process = subprocess.Popen(
                words, stdout=stream, stderr=stream, text=True, env=environment, cwd=cwd, start_new_session=True,
                preexec_fn=limit,
            )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)


def torchrun(*options: str) -> list[str]:
    """The words before those of `tagnet`."""
    return [str(PROGRAMS / "torchrun"), *options, "--no-python", str(PROGRAMS / "tagnet"), "train", *SETTINGS]


def machines() -> list[list[str]]:
    """The words for each of two machines with one process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ("--nnodes=2", "--nproc-per-node=1", "--master-addr=127.0.0.1", f"--master-port={port}")
    return [torchrun(*options, f"--node-rank={rank}") for rank in (0, 1)]


def wait_for(met: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not met() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert met()


def resume_points(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").glob("resume-*.ckpt"))


def workers(agent: subprocess.Popen[str]) -> list[int]:
    """The processes that a torchrun has started, by rank."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(agent.pid)], capture_output=True, text=True, check=True)
    return sorted(int(pid) for pid in found.stdout.split())


def alive(pid: int) -> bool:
    with suppress(OSError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process."""
    folder = tmp_path_factory.mktemp("one") / "run"
    words = [str(PROGRAMS / "tagnet"), "train", *SETTINGS, "trainer=cpu", f"run.dir={folder}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    return folder


def assert_the_same_run(folder: Path, other: Path) -> None:
    """Up to the order in which numbers are added: each record once, each step once, written by one process."""
    found, expected = (pq.read_table(each / "predictions.parquet").to_pylist() for each in (folder, other))
    assert [row["id"] for row in found] == [row["id"] for row in expected]
    assert len({row["id"] for row in found}) == len(found)
    np.testing.assert_allclose([r["logits"] for r in found], [r["logits"] for r in expected], atol=1e-3)
    a, b = ([json.loads(x) for x in (each / "metrics.jsonl").read_text().splitlines()] for each in (folder, other))
    assert [line["step"] for line in a] == [line["step"] for line in b]
    for x, y in zip(a, b, strict=True):
        assert x == pytest.approx(y, abs=1e-5)
    assert (folder / "split.json").read_bytes() == (other / "split.json").read_bytes()
    assert (folder / "run.log").read_text().count("training: 2 epochs") == 1
    assert not resume_points(folder)


# ------------------------------------------------------------------------------------------------------- the same run


def test_two_processes_of_torchrun_give_the_run_of_one(start: Start, one: Path, tmp_path: Path) -> None:
    run, said = tmp_path / "run", tmp_path / "said"
    # The settings name no number: torchrun has.
    process = start(*torchrun("--nproc-per-node=2"), *DDP, f"run.dir={run}", said=said)
    assert process.wait(timeout=300) == 0, said.read_text()
    assert_the_same_run(run, one)
    assert said.read_text().count(f"report   {run}") == 1


@pytest.mark.parametrize("named", [True, False], ids=["their number named", "their number left to torchrun"])
@pytest.mark.long
def test_two_machines_give_the_run_of_one(named: bool, start: Start, one: Path, tmp_path: Path) -> None:
    run, said = tmp_path / "run", [tmp_path / "first", tmp_path / "second"]
    numbers = ("trainer.num_nodes=2", "trainer.devices=1") if named else ()
    both = [
        start(*words, *DDP, *numbers, f"run.dir={run}", said=file) for words, file in zip(machines(), said, strict=True)
    ]
    for process, file in zip(both, said, strict=True):
        assert process.wait(timeout=300) == 0, file.read_text()
    assert_the_same_run(run, one)
    assert [file.read_text().count(f"report   {run}") for file in said] == [1, 0]


# ----------------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("trainer=ddp", "trainer.devices=4"), "trainer.devices=4, trainer.num_nodes=None: torchrun has started 2"),
        (("trainer=ddp", "trainer.num_nodes=2"), "trainer.devices=None, trainer.num_nodes=2: torchrun has started 2"),
        (("trainer=cpu",), "trainer.strategy=single: expected one process, found 2 that torchrun has started"),
        (("trainer=ddp", "optim.lrr=1"), "optim.lrr: there is no such key; did you mean optim.lr?"),
    ],
)
def test_settings_that_contradict_torchrun_are_one_error(
    settings: tuple[str, ...], message: str, start: Start, tmp_path: Path
) -> None:
    run, said = tmp_path / "run", tmp_path / "said"
    words = (*torchrun("--nproc-per-node=2"), *settings, "trainer.accelerator=cpu", f"run.dir={run}")
    assert start(*words, said=said).wait(timeout=100) != 0
    assert said.read_text().count(message) == 1, said.read_text()
    assert said.read_text().count("error: ") == 1
    assert not run.exists()


def test_machines_without_a_launcher_are_refused(start: Start, tmp_path: Path) -> None:
    run, said = tmp_path / "run", tmp_path / "said"
    process = start(str(PROGRAMS / "tagnet"), "train", *DDP, "trainer.num_nodes=2", f"run.dir={run}", said=said)
    assert process.wait(timeout=100) == 2
    assert "trainer.num_nodes=2: expected to be started by torchrun or srun" in said.read_text()
    assert not run.exists()


@pytest.mark.long
def test_machines_that_do_not_share_the_folder_are_told(start: Start, tmp_path: Path) -> None:
    homes = [tmp_path / "first", tmp_path / "second"]
    for home in homes:
        home.mkdir()

    def both() -> list[subprocess.Popen[str]]:
        return [
            start(*words, *DDP, "run.dir=run", said=home / "said", cwd=home)
            for words, home in zip(machines(), homes, strict=True)
        ]

    processes = both()
    wait_for(lambda: bool(resume_points(homes[0] / "run")), processes[0])
    for process in processes:
        os.killpg(process.pid, signal.SIGKILL)
        for pid in workers(process):
            os.kill(pid, signal.SIGKILL)
        process.wait(timeout=60)
    assert not resume_points(homes[1] / "run")
    for process in both():
        assert process.wait(timeout=150) != 0
    assert "run.dir: expected a folder that all processes share" in (homes[0] / "said").read_text()


# --------------------------------------------------------------------------------------------------- processes that end


def test_a_killed_process_ends_all_and_the_same_command_goes_on(start: Start, one: Path, tmp_path: Path) -> None:
    run, said = tmp_path / "run", tmp_path / "said"
    words = (*torchrun("--nproc-per-node=2"), *DDP, f"run.dir={run}")
    agent = start(*words, said=said)
    wait_for(lambda: len(resume_points(run)) >= 2, agent)
    both = workers(agent)
    os.kill(both[1], signal.SIGKILL)
    assert agent.wait(timeout=60) != 0
    assert not any(map(alive, both))
    assert not (run / "metrics.json").exists()
    assert start(*words, said=said).wait(timeout=300) == 0, said.read_text()
    assert "continuing from step" in (run / "run.log").read_text()
    assert_same_metrics(run, one)


def assert_same_metrics(folder: Path, other: Path) -> None:
    found, expected = (
        [json.loads(line) for line in (each / "metrics.jsonl").read_text().splitlines()] for each in (folder, other)
    )
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a == pytest.approx(b, abs=1e-5)


@pytest.mark.long
def test_sigterm_to_torchrun_leaves_a_resume_point_of_that_very_step(start: Start, one: Path, tmp_path: Path) -> None:
    run, said = tmp_path / "run", tmp_path / "said"
    words = (*torchrun("--nproc-per-node=2"), *DDP, f"run.dir={run}")
    agent = start(*words, said=said)
    wait_for(lambda: bool(resume_points(run)), agent)
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(timeout=60) != 0
    assert "the same command goes on from there" in said.read_text()
    assert start(*words, said=said).wait(timeout=300) == 0, said.read_text()
    assert_same_metrics(run, one)


@pytest.mark.parametrize("victim", [0, 1])
@pytest.mark.long
def test_our_own_processes_end_together(victim: int, start: Start, tmp_path: Path) -> None:
    run, said = tmp_path / "run", tmp_path / "said"
    words = (str(PROGRAMS / "tagnet"), "train", *SETTINGS, *DDP, "trainer.devices=2", f"run.dir={run}")
    first = start(*words, said=said)
    wait_for(lambda: bool(resume_points(run)), first)
    (second,) = workers(first)
    os.kill((first.pid, second)[victim], signal.SIGKILL)
    assert first.wait(timeout=60) != 0
    deadline = time.monotonic() + 60
    while alive(second) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(second)
    assert "has lost another one" in said.read_text()
    assert "The same command goes on from the newest resume point." in said.read_text()
    assert "Traceback" not in said.read_text()


@pytest.mark.parametrize("launched", [True, False], ids=["torchrun", "our own"])
@pytest.mark.long
def test_a_disk_that_is_full_for_the_first_process_ends_all(launched: bool, start: Start, tmp_path: Path) -> None:
    run, said = tmp_path / "run", tmp_path / "said"
    alone = [str(PROGRAMS / "tagnet"), "train", *SETTINGS, "trainer.devices=2"]
    words = torchrun("--nproc-per-node=2") if launched else alone
    # A resume point of the tiny encoder takes about 12 MB: only the first process writes one.
    first = start(*words, *DDP, f"run.dir={run}", said=said, file_size=2_000_000)
    assert first.wait(timeout=120) != 0
    assert "cannot be written" in said.read_text()
    assert not resume_points(run)
    survivors = subprocess.run(["pgrep", "-f", f"run.dir={run}"], capture_output=True, text=True)
    assert not survivors.stdout.split()
