"""Twenty kills at random moments of ten runs: each goes on with the same command and ends as if nothing had been.

All processes of a run are killed at once, twice a run: first in a phase, another in each run, so that none is missed,
and then at any moment between its start and its end. What a process is at, its stack says, which it writes when asked.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.long]

SEED = 20
SETTINGS = (
    "encoder=tiny",
    "trainer.max_epochs=2",
    "trainer.batch_size=32",
    # One text a batch: validation and the last measuring then take long enough to be struck.
    "trainer.eval_batch_size=1",
    "trainer.checkpoint_steps=2",
    "labels.min_count=20",
    "evaluation.bootstrap_samples=50",
    "evaluation.baselines=[prior]",
)
PROCESSES = {"one": ("trainer=cpu",), "two": ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")}
COMPARED = ("metrics.json", "metrics.jsonl", "per_tag.csv")

# Python imports it on its own, in each process of the run.
TELLS_ITS_STACK = """
import os, signal, traceback
stack = os.open(f"{os.environ['STACKS']}/{os.getpid()}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
signal.signal(signal.SIGUSR2, lambda number, frame: os.write(stack, "".join(traceback.format_stack(frame)).encode()))
os.rename(f"{os.environ['STACKS']}/{os.getpid()}", f"{os.environ['STACKS']}/{os.getpid()}.stack")
"""

# What stands in a stack, and what the process is at: the first that fits.
PHASES = (
    ("in _write\n", "writing a resume point"),
    ("in on_validation", "validating"),
    ("evaluation_loop.py", "validating"),
    ("training_epoch_loop.py", "training"),
    ("in best_network\n", "measuring"),
    ("in _final_logits\n", "measuring"),
    ("in write_bundle\n", "measuring"),
    ("in run_baselines\n", "measuring"),
    ("in measure\n", "measuring"),
    ("in write_results\n", "measuring"),
    ("in _train\n", "starting: trainer"),
    ("", "starting: data and network"),
)
STRUCK = ("starting: imports", "starting: data and network", "training", "validating", "measuring")


@dataclass(frozen=True)
class Kill:
    """One kill, as the table shows it."""

    processes: str
    run: int
    after: float
    """Seconds since the command was started."""
    doing: str
    steps: int
    """Optimizer steps of the newest resume point."""


class Command:
    """The training command, started in a group of its own, so that a kill takes all its processes."""

    def __init__(self, folder: Path, settings: tuple[str, ...]) -> None:
        self._folder, self._seen = folder, "starting: Python"
        home = folder.parent / f"{folder.name}-home"
        self._stacks, self._said = home / "stacks", home / "said"
        self._stacks.mkdir(parents=True, exist_ok=True)
        (home / "sitecustomize.py").write_text(TELLS_ITS_STACK)
        path = os.pathsep.join([str(home), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path, "STACKS": str(self._stacks)}
        words = [sys.executable, "-m", "tagnet.cli.main", "train", *SETTINGS, *settings, f"run.dir={folder}"]
        self.since = time.monotonic()
        with self._said.open("ab") as said:
            self._process = subprocess.Popen(words, stdout=said, stderr=said, env=environment, start_new_session=True)

    def finish(self) -> float:
        """Wait for its end; seconds that it took."""
        assert self._process.wait(timeout=400) == 0, self._said.read_text()[-2000:]
        return time.monotonic() - self.since

    def doing(self) -> str:
        """What its first process is at."""
        stack = self._stacks / f"{self._process.pid}.stack"
        if stack.exists():
            os.truncate(stack, 0)
            self._process.send_signal(signal.SIGUSR2)
            deadline = time.monotonic() + 0.3
            # Python answers when it is back from native code: until then it is where it was last seen.
            while not (frames := stack.read_text()) and time.monotonic() < deadline:
                time.sleep(0.005)
            if frames:
                # The training loops are in the stack, too, when they are imported.
                of_fit = frames.partition("in fit\n")[2]
                self._seen = next(phase for sign, phase in PHASES if sign in of_fit) if of_fit else STRUCK[0]
        return self._seen

    def ended_within(self, seconds: float) -> bool:
        """Whether it ends by itself in this time."""
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, number: signal.Signals) -> str:
        """Ask its first process to stop; what it says in all."""
        self._process.send_signal(number)
        assert self._process.wait(timeout=100) == 143, self._said.read_text()[-2000:]
        return self._said.read_text()

    def kill(self, processes: str, run: int) -> Kill | None:
        """Kill it, as something that gives no warning; None where its last file was already there."""
        doing, after = self.doing(), time.monotonic() - self.since
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait(timeout=60)
        if code == 0 or (self._folder / "metrics.json").exists():
            return None
        assert code == -signal.SIGKILL, self._said.read_text()[-2000:]
        points = (self._folder / "checkpoints").glob("resume-*.ckpt")
        return Kill(processes, run, after, doing, max((int(path.name.split("-")[1]) for path in points), default=0))


def wait_for_a_moment(command: Command, rng: random.Random, whole: float) -> None:
    """Any moment of a run that takes `whole` seconds."""
    command.ended_within(rng.uniform(0, whole))


def wait_for_a_phase(command: Command, phase: str, rng: random.Random, whole: float) -> None:
    """A phase, or a later one where it was missed, and a little into it."""
    later = STRUCK[STRUCK.index(phase) :]
    while command.doing() not in later and not command.ended_within(0.02):
        pass
    command.ended_within(rng.uniform(0, whole / 200))


def disturbed(folder: Path, processes: str, run: int, whole: float) -> list[Kill]:
    """A run that is killed twice and then left to end; its kills."""
    rng = random.Random(f"{SEED} {processes} {run}")
    kills: list[Kill] = []
    while len(kills) < 2:
        command = Command(folder, PROCESSES[processes])
        if kills:
            wait_for_a_moment(command, rng, whole)
        else:
            wait_for_a_phase(command, STRUCK[run], rng, whole)
        kill = command.kill(processes, run)
        if kill is None:  # it was faster than the undisturbed one: another run is struck in its place
            shutil.rmtree(folder)
        kills = [] if kill is None else [*kills, kill]
    Command(folder, PROCESSES[processes]).finish()
    return kills


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, float]]:
    """The runs that nobody disturbs, and the seconds that they took."""
    home = tmp_path_factory.mktemp("undisturbed")
    return {name: (home / name, Command(home / name, more).finish()) for name, more in PROCESSES.items()}


def assert_same(folder: Path, other: Path) -> None:
    for file in COMPARED:
        assert (folder / file).read_bytes() == (other / file).read_bytes(), (folder.name, file)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize("processes", PROCESSES)
def test_asked_to_stop_a_run_loses_no_step(
    processes: str, number: signal.Signals, undisturbed: dict[str, tuple[Path, float]], tmp_path: Path
) -> None:
    # No resume point is due within an epoch: where it stops, it writes one.
    folder, settings = tmp_path / "run", (*PROCESSES[processes], "trainer.checkpoint_steps=500")
    command = Command(folder, settings)
    while command.doing() != "training" and not command.ended_within(0.02):
        pass
    command.ended_within(0.3)
    said = command.stop(number)
    step = int(re.findall(r"stopped at step (\d+); the same command goes on from there", said)[0])
    assert "Traceback" not in said
    assert list((folder / "checkpoints").glob(f"resume-{step:08d}-*.ckpt"))
    Command(folder, settings).finish()
    assert f"continuing from step {step} of" in (folder / "run.log").read_text()
    assert_same(folder, undisturbed[processes][0])


def test_killed_at_any_moment_a_run_ends_as_if_nothing_had_been(
    undisturbed: dict[str, tuple[Path, float]], tmp_path: Path
) -> None:
    runs = [(name, run) for run in range(len(STRUCK)) for name in PROCESSES]
    with ThreadPoolExecutor(2) as pool:
        found = [
            pool.submit(disturbed, tmp_path / f"{name}-{run}", name, run, undisturbed[name][1]) for name, run in runs
        ]
        kills = [kill for two in found for kill in two.result()]
    print("\nprocesses  run  killed after  steps kept  it was")
    for kill in kills:
        print(f"{kill.processes:<9}  {kill.run:>3}  {kill.after:>10.2f} s  {kill.steps:>10}  {kill.doing}")
    for name, run in runs:
        assert_same(tmp_path / f"{name}-{run}", undisturbed[name][0])
    assert len(kills) == 20
    struck = {kill.doing.partition(":")[0] for kill in kills}
    assert {"starting", "validating", "measuring"} <= struck
    assert {"training", "writing a resume point"} & struck
