"""Other ways to the same numbers: a compiled encoder, and activations that are computed again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors import safe_open

from tagnet.prediction.tagger import Tagger

pytestmark = pytest.mark.slow

# Neither a compiler nor activations that are computed again go with packing.
MORE = ("trainer.packing=false", "trainer.checkpoint_steps=2", "evaluation.baselines=[]", "logger=none")
# A compiler draws the random numbers of dropout in another order.
STILL = ("model.dropout=0", "model.encoder_dropout=0")
COMPILED = ("trainer.compile=true",)
TWO = ("trainer=fsdp", "trainer.accelerator=cpu", "trainer.devices=2")
Start = Callable[..., "subprocess.Popen[str]"]
Train = Callable[..., Path]


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the compiler keeps what it has made."""
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(scope="module")
def start(small: tuple[str, ...], small_records: Path, kernels: Path) -> Start:
    """Start the command in a process of its own: compilers warn of what is none of ours."""

    def run(folder: Path, *settings: str) -> subprocess.Popen[str]:
        words = (*small, f"data.records={small_records}", *MORE, *settings, f"run.dir={folder}")
        command = [sys.executable, "-m", "tagnet.cli.main", "train", *words]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "TORCHINDUCTOR_CACHE_DIR": str(kernels)}
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)

    return run


@pytest.fixture(scope="module")
def train(start: Start) -> Train:
    """Run the command to its end."""

    def run(folder: Path, *settings: str) -> Path:
        process = start(folder, *settings)
        _, err = process.communicate(timeout=900)
        assert process.returncode == 0, err
        assert "Warning" not in err
        return folder

    return run


@pytest.fixture(scope="module")
def plain(train: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that the others are held against; dropout is on."""
    return train(tmp_path_factory.mktemp("plain") / "run")


@pytest.fixture(scope="module")
def still(train: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without dropout."""
    return train(tmp_path_factory.mktemp("still") / "run", *STILL)


@pytest.fixture(scope="module")
def compiled(train: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a compiled encoder, without dropout."""
    return train(tmp_path_factory.mktemp("compiled") / "run", *STILL, *COMPILED)


def curve(folder: Path) -> list[float]:
    """Training and validation losses in the order of the steps."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line.get("train.loss", line.get("val.loss")) for line in lines]


def logits(folder: Path) -> np.ndarray:
    return np.array([row["logits"] for row in pq.read_table(folder / "predictions.parquet").to_pylist()])


def tensors(folder: Path) -> dict[str, tuple[int, ...]]:
    """The names and shapes of a bundle's weights."""
    with safe_open(folder / "bundle" / "model.safetensors", "pt") as stream:
        return {name: tuple(stream.get_slice(name).get_shape()) for name in stream.keys()}  # noqa: SIM118


def test_a_compiled_encoder_learns_the_same(compiled: Path, still: Path, kernels: Path) -> None:
    assert len(list(kernels.rglob("*.cpp"))) > 10, "no more was compiled than a trial"
    assert curve(compiled) == pytest.approx(curve(still), abs=1e-5)
    np.testing.assert_allclose(logits(compiled), logits(still), atol=1e-3)


@pytest.mark.long
def test_nothing_that_is_written_tells_of_the_compiler(compiled: Path, still: Path) -> None:
    assert tensors(compiled) == tensors(still)
    names = [sorted(path.name for path in (folder / "bundle").iterdir()) for folder in (compiled, still)]
    assert names[0] == names[1]
    best = torch.load(compiled / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert {name.removeprefix("network.") for name in best} >= set(tensors(compiled))
    assert not any("_orig_mod" in name for name in best)
    assert Tagger.load(compiled / "bundle", "cpu").predict(["A robot"], top=1)[0][0].probability > 0


@pytest.mark.long
def test_a_compiled_run_that_was_killed_goes_on(start: Start, train: Train, compiled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start(folder, *STILL, *COMPILED)
    deadline = time.monotonic() + 600
    while not list(folder.glob("checkpoints/resume-00000004-*")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert not (folder / "metrics.json").exists()
    train(folder, *STILL, *COMPILED)
    assert "continuing from step" in (folder / "run.log").read_text()
    assert curve(folder) == pytest.approx(curve(compiled), abs=1e-5)
    np.testing.assert_allclose(logits(folder), logits(compiled), atol=1e-3)


@pytest.mark.long
def test_two_processes_that_share_the_weights_may_compile_too(train: Train, still: Path, tmp_path: Path) -> None:
    found = train(tmp_path / "run", *STILL, *COMPILED, *TWO)
    assert curve(found) == pytest.approx(curve(still), abs=1e-5)
    np.testing.assert_allclose(logits(found), logits(still), atol=1e-3)


def test_activations_that_are_computed_again_are_the_same(train: Train, plain: Path, tmp_path: Path) -> None:
    found = train(tmp_path / "run", "trainer.gradient_checkpointing=true")
    # The same dropout as well: each layer starts again from the random numbers that it had.
    for name in ("metrics.json", "metrics.jsonl", "per_tag.csv"):
        assert (found / name).read_bytes() == (plain / name).read_bytes(), name
    assert tensors(found) == tensors(plain)
