"""`tagnet train` as a process of its own, in which much is imported only once something asks for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tagnet.model.embedded import embedded_folder

Process = Callable[..., list[str]]

UNTIL = """
import os, sys
from tagnet.cli import train
import tagnet.cli.quick_imports as quick
enter = quick.quick_imports
from contextlib import contextmanager

@contextmanager
def then(**settings):
    with enter(**settings):
        yield
    {patch}

quick.quick_imports = then
from tagnet.cli.start import main
main()
"""
FIRST_STEP = """
    from tagnet.training.callbacks import MetricsLog
    def stop(*_):
        print("FIRST STEP", [name for name in {names} if name in sys.modules], flush=True)
        os._exit(0)
    MetricsLog.on_train_batch_end = stop
"""
TRACED = """
    from tagnet.training import preflight
    preflight.fits_by_far = lambda *_: False
    trace = preflight.trace_step
    def traced(*words):
        found = trace(*words)
        print("TRACED", found is not None and found.activations > 0, flush=True)
        return found
    preflight.trace_step = traced
"""
NOT_BEFORE = (
    "torch._dynamo.eval_frame",
    "torch.distributed.tensor._ops",
    "torchmetrics.functional",
    "sympy",
    "matplotlib",
    "scipy.linalg",
    "sklearn",
    "pandas",
    "pyarrow",
)


@pytest.fixture
def train(small: tuple[str, ...], small_records: Path, repository: Path, tmp_path: Path) -> Process:
    """Train one epoch; the lines that it printed. `patch` runs when the imports are done."""

    def run(*settings: str, patch: str = "pass") -> list[str]:
        words = [
            *small,
            "trainer.max_epochs=1",
            f"data.records={small_records}",
            f"run.dir={tmp_path / 'run'}",
            *settings,
        ]
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", UNTIL.format(patch=patch.strip()), "train", *words, *settings],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            env={**os.environ, "PYTHONPATH": str(repository / "src")},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def test_the_first_step_waits_for_nothing_that_it_does_not_need(train: Process) -> None:
    said = train("encoder=all-MiniLM-L6-v2", patch=FIRST_STEP.format(names=NOT_BEFORE))
    assert said[-1] == "FIRST STEP []"


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        ("adapter=lora", "evaluation.baselines=[]"),
        (f"encoder={embedded_folder()}", "evaluation.baselines=[prior]"),
        ("trainer.gradient_checkpointing=true", "logger=tensorboard"),
    ],
    ids=lambda settings: settings[0].partition("=")[0],
)
def test_runs_that_need_more_find_it(train: Process, tmp_path: Path, settings: tuple[str, ...]) -> None:
    train(*settings)
    assert (tmp_path / "run" / "report.html").is_file()
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert 0 < metrics["test"]["map"]["value"] <= 1


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_memory_is_traced_as_ever(train: Process, precision: str) -> None:
    assert "TRACED True" in train(f"trainer.precision={precision}", "evaluation.baselines=[]", patch=TRACED)
