"""Two processes that share the weights: the same run as one. tests/integration/test_resume.py kills such runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch.distributed.tensor import DTensor

from tagnet.cli.compose import train_config
from tagnet.config import NoAdapterConfig
from tagnet.model.encoder import load_encoder
from tagnet.training.fit import fit
from tagnet.training.module import TaggerModule
from tagnet.training.resume import latest_resume_point
from tagnet.training.trainer import best_network

pytestmark = pytest.mark.slow

# 24 steps, at rates at which a gradient that went wrong would show; the last batch of an epoch is a small one.
SETTINGS = (
    "trainer.max_epochs=4",
    "optim.lr=1e-3",
    "optim.head_lr=1e-2",
    "optim.clip_norm=0.1",
    "optim.layer_decay=0.7",
    "model.dropout=0",
    "model.encoder_dropout=0",
    # One process would train packed, and add in another order.
    "trainer.packing=false",
    "evaluation.baselines=[]",
    "logger=none",
)
FSDP = ("trainer=fsdp", "trainer.accelerator=cpu")
TWO = (*FSDP, "trainer.devices=2")
DDP = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
Train = Callable[..., Path]


@pytest.fixture(scope="module")
def train(small: tuple[str, ...], small_records: Path) -> Train:
    """Run the command as a user would; the trainer starts the second process itself."""

    def run(folder: Path, *settings: str) -> Path:
        words = (*small, *SETTINGS, f"data.records={small_records}", *settings, f"run.dir={folder}")
        command = [sys.executable, "-m", "tagnet.cli.main", "train", *words]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=400, env=environment)
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr
        return folder

    return run


@pytest.fixture(scope="module")
def one(train: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process that shares nothing."""
    return train(tmp_path_factory.mktemp("one") / "run", "trainer=cpu")


@pytest.fixture(scope="module")
def two(train: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of two processes that share the weights."""
    return train(tmp_path_factory.mktemp("two") / "run", *TWO)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def predictions(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / "predictions.parquet").to_pylist()
    return rows


def assert_same_run(folder: Path, other: Path, *, metric: float = 1e-5, logit: float = 1e-3) -> None:
    """Step by step, and at the end."""
    found, expected = lines(folder), lines(other)
    assert [line["step"] for line in found] == [line["step"] for line in expected]
    for a, b in zip(found, expected, strict=True):
        assert a == pytest.approx(b, abs=metric), a["step"]
    rows, others = predictions(folder), predictions(other)
    assert [row["id"] for row in rows] == [row["id"] for row in others]
    np.testing.assert_allclose([r["logits"] for r in rows], [r["logits"] for r in others], atol=logit)


def test_two_processes_give_the_run_of_one(one: Path, two: Path) -> None:
    assert_same_run(two, one)
    assert max(line["step"] for line in lines(two)) >= 20


def test_each_record_counts_once_and_one_process_writes(one: Path, two: Path) -> None:
    ids = [row["id"] for row in predictions(two)]
    split = json.loads((two / "split.json").read_text())
    assert sorted(ids) == sorted(map(str, split["val"] + split["test"]))
    assert split == json.loads((one / "split.json").read_text())
    assert json.loads((two / "data.json").read_text()) == json.loads((one / "data.json").read_text())
    assert sorted(path.name for path in two.rglob("*")) == sorted(path.name for path in one.rglob("*"))
    log = (two / "run.log").read_text()
    assert log.count("training: 4 epochs") == log.count("epoch 4/4") == 1


def test_the_best_weights_are_whole_and_plain(one: Path, two: Path) -> None:
    found, expected = (
        torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"] for folder in (two, one)
    )
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert type(value) is torch.Tensor
        torch.testing.assert_close(value, expected[name], atol=1e-4, rtol=0, msg=name)
    config = train_config()
    num_tags = len(predictions(two)[0]["logits"])
    network, _ = best_network(
        two / "checkpoints", load_encoder("tiny"), config.model, NoAdapterConfig("none"), num_tags
    )
    torch.testing.assert_close(network.head.weight, found["network.head.weight"])


@pytest.mark.parametrize(
    "settings",
    [
        ("trainer.accumulate=3", "model.pooling=attention"),
        ("trainer.gradient_checkpointing=true", "model.head=label_attention", "data.max_tokens=32"),
        ("adapter=lora", "adapter.dropout=0", "data.max_tokens=32", "data.window_overlap=8"),
    ],
    ids=["accumulation", "gradient checkpointing", "adapters and windows"],
)
@pytest.mark.long
def test_with_other_settings_too(settings: tuple[str, ...], train: Train, tmp_path: Path) -> None:
    assert_same_run(train(tmp_path / "two", *TWO, *settings), train(tmp_path / "one", "trainer=cpu", *settings))


@pytest.mark.long
def test_half_precision_is_the_same_in_copies_and_in_parts(train: Train, one: Path, tmp_path: Path) -> None:
    shared = train(tmp_path / "shared", *TWO, "trainer.precision=bf16-mixed")
    copied = train(tmp_path / "copied", *DDP, "trainer.precision=bf16-mixed")
    # The same operations in bfloat16 either way; only where gradients are added does the order differ.
    assert_same_run(shared, copied, metric=2e-3, logit=0.1)
    # Weights, gradients and their sums stay in float32: the curve is near that of full precision, and not the same.
    a, b = ([line["train.loss"] for line in lines(folder) if "train.loss" in line] for folder in (shared, one))
    assert a == pytest.approx(b, abs=0.01)
    assert a != pytest.approx(b, abs=1e-6)


def test_without_a_number_of_processes_a_cpu_has_one(train: Train, one: Path, tmp_path: Path) -> None:
    found = train(tmp_path / "run", *FSDP)
    for name in ("metrics.json", "metrics.jsonl"):
        assert (found / name).read_bytes() == (one / name).read_bytes()


class PowerCutError(Exception):
    """What befalls a run here."""


@pytest.mark.parametrize("settings", [(), ("adapter=lora",)], ids=["all weights", "adapters"])
@pytest.mark.long
def test_an_interrupted_run_ends_like_an_undisturbed_one(
    settings: tuple[str, ...],
    small: tuple[str, ...],
    small_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    more = ("trainer.checkpoint_steps=2", "model.dropout=0.1", "model.encoder_dropout=0.1", *settings)
    words = (*small, *SETTINGS, *FSDP, f"data.records={small_records}", *more)
    undisturbed = fit(train_config(*words, f"run.dir={tmp_path / 'undisturbed'}")).dir
    config = train_config(*words, f"run.dir={tmp_path / 'killed'}")
    step, sharded, calls = TaggerModule.training_step, [], 0

    def failing(self: TaggerModule, *batch: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        sharded.append(all(isinstance(each, DTensor) for each in self.parameters()))
        if calls == 12:
            raise PowerCutError
        return step(self, *batch)

    with monkeypatch.context() as patch:
        patch.setattr(TaggerModule, "training_step", failing)
        with pytest.raises(PowerCutError):
            fit(config)
    assert all(sharded)
    torch.distributed.destroy_process_group()
    point = latest_resume_point(tmp_path / "killed" / "checkpoints")
    assert point is not None
    states = torch.load(point.path, weights_only=True)["optimizer_states"][0]["state"].values()
    assert states
    assert all(type(value) is torch.Tensor for state in states for value in state.values())
    killed = fit(config).dir
    assert f"continuing from step {point.step} " in (killed / "run.log").read_text()
    for name in ("metrics.json", "metrics.jsonl", "per_tag.csv"):
        assert (killed / name).read_bytes() == (undisturbed / name).read_bytes(), name
