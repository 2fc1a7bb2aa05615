"""Sweeps that were made up: as files, as a runner would leave them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagnet.workflows.study_files import ALWAYS, Sweep, Trial, write_sweep, write_trial

SPACE = {
    "loss": "choice(bce,focal,asl)",
    "loss.gamma when loss=focal": "interval(0.5,4)",
    "optim.lr": "tag(log,interval(1e-5,1e-3))",
    "model.pooling": "choice(mean,cls)",
    "trainer.batch_size": "choice(16,32)",
}
MakeSweep = Callable[..., tuple[Sweep, list[Trial]]]


def make_sweep(number: int = 12, seed: int = 0, **changes: Any) -> tuple[Sweep, list[Trial]]:
    """A sweep in which the learning rate matters most, then the loss; trial 0 is the recipe as it was.

    Trial 4 was pruned, trials 5 and 9 failed, the last one is running.
    """
    described: dict[str, Any] = {
        "proposer": "optuna",
        "objective": "val.map_micro",
        "tie_break": "val.map",
        "direction": "maximize",
        "overrides": (*ALWAYS, "encoder=tiny", "trainer=cpu"),
        "space": SPACE,
    }
    sweep = Sweep(**{**described, **changes})
    random = np.random.default_rng(seed)
    trials = []
    for n in range(number):
        params: dict[str, Any] = {
            "loss": ("bce", "focal", "asl")[int(random.integers(3))],
            "optim.lr": float(f"{math.exp(random.uniform(math.log(1e-5), math.log(1e-3))):.4g}"),
            "model.pooling": ("mean", "cls")[int(random.integers(2))],
            "trainer.batch_size": (16, 32)[int(random.integers(2))],
        }
        if n == 0:
            params = {"loss": "bce", "optim.lr": 1e-4, "model.pooling": "mean", "trainer.batch_size": 16}
        if params["loss"] == "focal":
            params["loss.gamma"] = float(f"{random.uniform(0.5, 4):.4g}")
        value = (
            0.7
            - 0.03 * math.log(params["optim.lr"] / 2e-4) ** 2
            + {"bce": 0, "focal": 0.02, "asl": -0.02}[params["loss"]]
        )
        state = "pruned" if n == 4 else "failed" if n in (5, 9) else "running" if n == number - 1 else "complete"
        epochs = {"complete": 4, "pruned": 2, "running": 1, "failed": 0}[state]
        trials.append(
            Trial(
                number=n,
                overrides=() if n == 0 else tuple(f"{key}={param}" for key, param in params.items()),
                params=params,
                state=state,  # type: ignore[arg-type]
                value=value if state == "complete" else 0.3 if state == "pruned" else None,
                tie_break=value - 0.1 if state == "complete" else None,
                reason={
                    "pruned": "after epoch 2 it was behind the others",
                    "failed": f"out of <memory>; see {n}.log",
                }.get(state),
                history=tuple((epoch, value - 0.2 / (epoch + 1)) for epoch in range(epochs)),
                seconds=30.0 + n,
            )
        )
    return sweep, trials


def write_files(folder: Path, sweep: Sweep, trials: list[Trial]) -> Path:
    """The sweep's folder, as a runner leaves it."""
    write_sweep(folder, sweep)
    for trial in trials:
        write_trial(folder, trial)
    return folder


@pytest.fixture(name="make_sweep", scope="session")
def _make_sweep() -> MakeSweep:
    return make_sweep


@pytest.fixture(name="write_files", scope="session")
def _write_files() -> Callable[..., Path]:
    return write_files
