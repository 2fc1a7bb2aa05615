"""Every command of docs/launching.md runs as it stands there, on small data, with a small encoder and without GPUs."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROGRAMS = Path(sys.executable).parent
SMALL = (
    "encoder=tiny",
    "trainer.max_epochs=1",
    "trainer.batch_size=32",
    "evaluation.bootstrap_samples=50",
    "evaluation.baselines=[]",
    "logger=none",
)


def commands(repository: Path) -> list[list[str]]:
    """The words of every command line; those of several machines one after the other."""
    text = (repository / "docs" / "launching.md").read_text(encoding="utf-8")
    found = re.findall(r"```bash\n(.*?)```", text.split("\n## Sweeps")[0], flags=re.DOTALL)
    return [shlex.split(line, comments=True) for block in found for line in block.splitlines() if line.strip()]


def on_a_cpu(words: list[str]) -> list[str]:
    """The same command where there is no GPU; where one process a GPU is meant, two."""
    settings = words[words.index("train") + 1 :]
    starts_its_own = words[0] == "tagnet" and {"trainer=ddp", "trainer=fsdp"} & set(settings)
    more = ["trainer.accelerator=cpu", *(["trainer.devices=2"] if starts_its_own else [])]
    return [*words, *SMALL, *more]


def run_together(commands: list[list[str]], folder: Path) -> None:
    """Run commands at the same time, each to its end."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
    started = [
        subprocess.Popen(
            words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for words in commands
    ]
    for words, process in zip(commands, started, strict=True):
        said, _ = process.communicate(timeout=400)
        assert process.returncode == 0, (words, said)


@pytest.mark.long
def test_every_command_that_starts_processes_runs(repository: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    machines = []
    ran = []
    for words in commands(repository):
        if words[0] == "sbatch":
            continue
        here = ["--master-addr=127.0.0.1" if word == "--master-addr=first-machine" else word for word in words]
        if "--nnodes=2" in here:
            machines.append(on_a_cpu([here[0], f"--master-port={port}", *here[1:]]))
            if len(machines) < 2:
                continue
            run_together(machines, tmp_path)
        else:
            run_together([on_a_cpu(here)], tmp_path)
        ran += [word.removeprefix("run.dir=") for word in words if word.startswith("run.dir=")]
    assert {"runs/laptop", "runs/ddp", "runs/fsdp", "runs/torchrun", "runs/machines"} <= set(ran)
    assert all((tmp_path / run / "metrics.json").is_file() for run in ran)


def test_every_job_names_the_script_and_settings_that_there_are(repository: Path) -> None:
    jobs = [words for words in commands(repository) if words[0] == "sbatch"]
    assert jobs
    for words in jobs:
        script = next(word for word in words[1:] if not word.startswith("--"))
        assert (repository / script).is_file()
        settings = words[words.index(script) + 1 :]
        done = subprocess.run(
            [str(PROGRAMS / "tagnet"), "train", "trainer=ddp", *settings, "--cfg", "job"],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
