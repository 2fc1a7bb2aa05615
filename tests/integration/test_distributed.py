"""Two processes on this machine: the same run as one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.slow

SETTINGS = (
    "encoder=tiny",
    "trainer.max_epochs=2",
    "trainer.batch_size=32",
    "model.dropout=0",
    "model.encoder_dropout=0",
    "labels.min_count=20",
    "evaluation.bootstrap_samples=50",
    "evaluation.baselines=[]",
)
TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")


def train(folder: Path, *settings: str) -> None:
    """Run the command as a user would; the trainer starts the second process itself."""
    command = [sys.executable, "-m", "tagnet.cli.main", "train", *SETTINGS, *settings, f"run.dir={folder}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr


def logits(folder: Path) -> np.ndarray:
    """The saved logits of validation and test."""
    return np.array([row["logits"] for row in pq.read_table(folder / "predictions.parquet").to_pylist()])


def test_two_processes_give_the_metrics_of_one(tmp_path: Path) -> None:
    train(tmp_path / "one", "trainer=cpu")
    train(tmp_path / "two", *TWO)
    np.testing.assert_allclose(logits(tmp_path / "two"), logits(tmp_path / "one"), atol=1e-3)
    one, two = (
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    )
    # 852 records do not divide into batches of 32: the last batch of an epoch has 20.
    assert [line["step"] for line in one] == [line["step"] for line in two]
    for a, b in zip(one, two, strict=True):
        assert a.keys() == b.keys()
        assert b == pytest.approx(a, abs=1e-5)
    assert json.loads((tmp_path / "two" / "split.json").read_text()) == json.loads(
        (tmp_path / "one" / "split.json").read_text()
    )


def test_torchrun_needs_a_directory_that_all_share(tmp_path: Path) -> None:
    environment = os.environ | {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}
    environment.pop("TAGNET_RUN_DIR", None)
    command = [sys.executable, "-m", "tagnet.cli.main", "train", *SETTINGS, *TWO]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, cwd=tmp_path)
    assert done.returncode == 2
    assert "run.dir" in done.stderr
    assert not list(tmp_path.iterdir())
