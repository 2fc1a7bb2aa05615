"""The trials of a sweep, each trained in a process of its own, from which it can crash without harm to the others.

Whoever trains a trial holds its lock. A worker that dies, however it dies, lets go of it, so that another worker, or
the same command started again, takes the trial up where its last resume point is.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from tagnet.atomic import cannot_write
from tagnet.errors import SweepError
from tagnet.strict_build import to_plain
from tagnet.workflows.locks import try_lock
from tagnet.workflows.space import Proposal, quoted
from tagnet.workflows.study_files import (
    STUDY_ID_FILE,
    SWEEP_FILE,
    TRIALS_FOLDER,
    Sweep,
    Trial,
    check_same_sweep,
    read_sweep,
    read_trial,
    run_folder,
    trial_file,
    write_trial,
)
from tagnet.workflows.sweep_settings import OptunaSettings
from tagnet.workflows.trial_order import TRIAL_VARIABLE, TrialOrder

logger = logging.getLogger("tagnet")

_STOPPED = (128 + signal.SIGTERM, 128 + signal.SIGINT, -signal.SIGTERM, -signal.SIGINT)
_NOT_FOR_TRIALS = ("TAGNET_RUN_DIR",)
STOPPING_SECONDS = 20
"""A training that has lost its worker ends after its next step, and then lets go of its trial."""


@dataclass(frozen=True)
class Claim:
    """A trial that this process may train, and the lock that keeps others off it."""

    trial: Trial
    lock: IO[str]


def check_sweep_folder(folder: Path, sweep: Sweep) -> None:
    """Refuse a folder that this sweep must not use, before anything is written.

    Raises:
        SweepError: another sweep is there, or files that are no sweep.
    """
    if (folder / SWEEP_FILE).exists():
        check_same_sweep(to_plain(read_sweep(folder)), to_plain(sweep), f"run.dir={folder}")
        return
    if folder.exists() and not folder.is_dir():
        raise SweepError(f"run.dir={folder}: expected a folder for the sweep, found a file; choose another run.dir.")
    known = (TRIALS_FOLDER, STUDY_ID_FILE, "multirun.yaml")
    try:
        names = sorted(path.name for path in folder.iterdir() if path.name[0] != ".") if folder.exists() else []
    except OSError as error:
        raise cannot_write(folder, error) from error
    # SQLite has files of its own beside study.db.
    strangers = [name for name in names if name not in known and not name.startswith("study.db")]
    if strangers:
        raise SweepError(
            f"run.dir={folder}: expected a new or empty folder for the sweep, found {strangers[0]} in it; "
            "choose another run.dir."
        )


def work_on(folder: Path, sweep: Sweep, number: int, proposal: Proposal, one_gpu: bool) -> None:
    """Train one given trial, unless it is finished or another process is at it.

    Raises:
        SweepError: the trial of this number is another one.
    """
    lock = try_lock(lock_file(folder, number), STOPPING_SECONDS)
    if lock is None:
        logger.info("trial %d: another process is at it", number)
        return
    with lock:
        trial = read_trial(folder, number)
        if trial is not None and dict(trial.params) != dict(proposal.params):
            raise SweepError(
                f"{trial_file(folder, number)}: expected a trial of {dict(proposal.params)}, found one of "
                f"{dict(trial.params)}; choose another run.dir."
            )
        if trial is not None and trial.state in ("complete", "pruned"):
            logger.info("trial %d is finished", number)
            return
        # One that failed is tried again: whoever starts the command again has mended something.
        claim = Claim(trial or new_trial(number, proposal), lock)
        train_trial(folder, sweep, claim, None, one_gpu)


def train_trial(folder: Path, sweep: Sweep, claim: Claim, study: OptunaSettings | None, one_gpu: bool) -> Trial:
    """Train a claimed trial in a process of its own, and read what came of it.

    Raises:
        SystemExit: the process was asked to stop, and so is this one; the trial stays to be continued.
    """
    number = claim.trial.number
    write_trial(folder, replace(claim.trial, state="running", reason=None))
    order = TrialOrder(str(folder.resolve()), number, study)
    run_dir = run_folder(folder, number)
    command = [sys.executable, "-m", "tagnet.cli.main", "train", *sweep.overrides, *claim.trial.overrides]
    started = time.monotonic()
    gpu = _free_gpu(folder) if one_gpu else None
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_TRIALS}
    environment[TRIAL_VARIABLE] = order.to_variable()
    if gpu is not None:
        environment["CUDA_VISIBLE_DEVICES"] = gpu[0]
    with (folder / TRIALS_FOLDER / f"{number:04d}.log").open("a") as log:
        # The lock is handed down: while the training lives, nobody else takes its trial.
        done = subprocess.run(
            [*command, f"run.dir={quoted(str(run_dir))}"],
            stdout=log,
            stderr=log,
            env=environment,
            pass_fds=[claim.lock.fileno()],
            check=False,
        )
    if gpu is not None:
        gpu[1].close()
    ended = read_trial(folder, number)
    assert ended is not None
    ended = replace(ended, seconds=round(claim.trial.seconds + time.monotonic() - started, 1))
    if ended.state == "running":
        if done.returncode in _STOPPED:
            write_trial(folder, ended)
            raise SystemExit(128 + signal.SIGTERM)
        ended = replace(ended, state="failed", reason=_why(done.returncode, log_file=Path(log.name)))
    write_trial(folder, ended)
    logger.log(logging.WARNING if ended.state == "failed" else logging.INFO, "%s", describe_end(ended, sweep))
    return ended


def describe_end(trial: Trial, sweep: Sweep) -> str:
    """One line on a trial that has ended."""
    settings = " ".join(trial.overrides) or "the recipe as it is"
    spent = f"{trial.seconds:.0f} s"
    if trial.state == "failed":
        return f"trial {trial.number} failed: {trial.reason}  ({settings}, {spent})"
    found = "" if trial.value is None else f"  {sweep.objective} {trial.value:.4f}"
    return f"trial {trial.number} {trial.state}{found}  {settings}  {spent}"


def new_trial(number: int, proposal: Proposal) -> Trial:
    """A trial that nothing is known of yet."""
    return Trial(
        number=number,
        overrides=proposal.overrides,
        params=proposal.params,
        state="running",
        value=None,
        tie_break=None,
        reason=None,
        history=(),
        seconds=0.0,
    )


def lock_file(folder: Path, number: int) -> Path:
    """What the process that trains a trial holds."""
    return trial_file(folder, number).with_suffix(".lock")


def _why(returncode: int, log_file: Path) -> str:
    """Why a process ended that did not say so itself."""
    if returncode < 0:
        name = signal.Signals(-returncode).name
        hint = "; perhaps the machine ran out of memory" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{hint}; see {log_file}"
    lines = [line.strip() for line in log_file.read_text(encoding="utf-8", errors="replace").splitlines()]
    last = next((line for line in reversed(lines) if line), "it said nothing")
    return f"exit code {returncode}: {last[:300]}; see {log_file}"


def _free_gpu(folder: Path) -> tuple[str, IO[str]] | None:
    """A GPU that no other trial of the sweep on this machine has taken, by the number or name CUDA knows it by."""
    for name in _gpus():
        lock = try_lock(folder / TRIALS_FOLDER / f".gpu-{os.uname().nodename}-{name}.lock")
        if lock is not None:
            return name, lock
    return None


def _gpus() -> list[str]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]
