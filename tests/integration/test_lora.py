"""Runs with adapters: they learn, go on after an interruption, and leave an ordinary bundle behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from tagnet.bundle import load_network
from tagnet.cli.compose import train_config
from tagnet.model.adapter import add_adapter
from tagnet.model.encoder import load_encoder
from tagnet.model.network import TaggerNetwork
from tagnet.prediction.tagger import Tagger
from tagnet.training.fit import Run, fit
from tagnet.training.module import TaggerModule

Tagnet = Callable[..., tuple[int, str, str]]
Train = Callable[..., Run]

LORA = ("adapter=lora", "optim.lr=1e-3", "evaluation.baselines=[]")
TEXTS = ["Train a robot in simulation", "", "SQL over Parquet files " * 50]


@pytest.fixture(scope="module")
def train(small: tuple[str, ...], small_records: Path) -> Train:
    """Train with adapters into a folder."""

    def run(folder: Path, *settings: str) -> Run:
        return fit(train_config(*small, *LORA, f"data.records={small_records}", *settings, f"run.dir={folder}"))

    return run


@pytest.fixture(scope="module")
def lora_run(train: Train, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of four epochs."""
    return train(tmp_path_factory.mktemp("lora") / "run", "trainer.max_epochs=4")


def train_losses(run: Run) -> list[float]:
    """The mean loss of each epoch."""
    lines = [json.loads(line) for line in (run.dir / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "train.loss" in line]
    epochs = sorted({line["epoch"] for line in steps})
    return [float(np.mean([line["train.loss"] for line in steps if line["epoch"] == epoch])) for epoch in epochs]


def weights(run: Run) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(run.dir / "bundle" / "model.safetensors")
    return found


def test_the_loss_falls(lora_run: Run) -> None:
    first, *_, last = train_losses(lora_run)
    assert last < 0.95 * first


def test_the_log_says_how_much_is_trained(lora_run: Run) -> None:
    # Two layers of four matrices of 32 x 32, and two of 32 x 64, of rank 16; and the head.
    adapters = 2 * (4 * 16 * (32 + 32) + 2 * 16 * (32 + 64))
    tags = len(lora_run.tagger("cpu").tags)
    # Lexical evidence comes after training.
    plain = sum(tensor.numel() for name, tensor in weights(lora_run).items() if not name.startswith("lexical."))
    expected = f"{adapters + 33 * tags} of {plain + adapters} parameters are trained"
    assert expected in (lora_run.dir / "run.log").read_text()


def test_the_bundle_is_an_ordinary_one(lora_run: Run, small_run: Run) -> None:
    found, ordinary = weights(lora_run), weights(small_run)
    assert {name: tensor.shape for name, tensor in found.items()} == {name: t.shape for name, t in ordinary.items()}
    start = load_encoder("tiny").module.state_dict()
    changed = {name for name, value in start.items() if not torch.equal(value, found[f"encoder.{name}"])}
    # Adapters stand beside the matrices of the layers alone; everything else was frozen.
    assert changed == {name for name, value in start.items() if ".layer." in name and value.ndim == 2}


def test_the_bundle_predicts_what_the_trained_network_did(lora_run: Run) -> None:
    bundle = lora_run.tagger("cpu").bundle
    trained = TaggerNetwork(load_encoder("tiny"), bundle.model, len(bundle.tags))
    add_adapter(trained.encoder, train_config("adapter=lora").adapter)
    best = torch.load(lora_run.dir / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    trained.load_state_dict({name.removeprefix("network."): value for name, value in best.items()})
    trained.eval()
    merged = load_network(bundle)
    merged.lexical = None  # it comes after training
    ids_ST = torch.randint(1000, 20000, (20, 64), generator=torch.Generator().manual_seed(0))
    mask_ST = torch.ones_like(ids_ST)
    with torch.no_grad():
        torch.testing.assert_close(merged(ids_ST, mask_ST), trained(ids_ST, mask_ST), atol=1e-5, rtol=0)


def test_the_bundle_needs_no_peft(lora_run: Run, tmp_path: Path) -> None:
    script = (
        "import json, sys; sys.modules['peft'] = None; from tagnet import Tagger; import numpy as np; "
        "t = Tagger.load(sys.argv[1], 'cpu'); np.save(sys.argv[3], t.probabilities(json.loads(sys.argv[2])))"
    )
    there = tmp_path / "probabilities.npy"
    command = [sys.executable, "-c", script, str(lora_run.dir / "bundle"), json.dumps(TEXTS), str(there)]
    subprocess.run(command, check=True, timeout=300)
    here = Tagger.load(lora_run.dir / "bundle", "cpu").probabilities(TEXTS)
    np.testing.assert_allclose(np.load(there), here, atol=1e-6, rtol=0)


def test_an_interrupted_run_ends_like_an_undisturbed_one(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ("adapter.dropout=0.2", "trainer.gradient_checkpointing=true", "trainer.checkpoint_steps=2")
    undisturbed = train(tmp_path / "undisturbed", *more)
    real, calls = TaggerModule.training_step, 0

    def failing(*words: object) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 10:
            raise KeyError("a power cut")
        return real(*words)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(TaggerModule, "training_step", failing)
        with pytest.raises(KeyError, match="a power cut"):
            train(tmp_path / "killed", *more)
    killed = train(tmp_path / "killed", *more)
    assert "continuing from step" in (killed.dir / "run.log").read_text()
    for name in ("metrics.json", "metrics.jsonl", "per_tag.csv"):
        assert (killed.dir / name).read_bytes() == (undisturbed.dir / name).read_bytes(), name


def test_activations_that_are_computed_again_change_nothing(train: Train, tmp_path: Path) -> None:
    kept, again = (
        train(tmp_path / value, "trainer.max_epochs=1", f"trainer.gradient_checkpointing={value}")
        for value in ("false", "true")
    )
    assert train_losses(again) == pytest.approx(train_losses(kept), rel=1e-6)
    for name, value in weights(kept).items():
        torch.testing.assert_close(weights(again)[name], value, atol=1e-5, rtol=0, msg=name)


def test_a_warm_start_from_an_ordinary_bundle(train: Train, small_run: Run, tmp_path: Path) -> None:
    run = train(tmp_path / "warm", f"model.init_from={small_run.dir / 'bundle'}", "optim.lr=1e-12")
    log = (run.dir / "run.log").read_text()
    assert f"{len(run.tagger('cpu').tags)} tags known, 0 new, 0 gone" in log
    earlier = weights(small_run)
    for name, value in weights(run).items():
        if name.startswith("encoder."):
            torch.testing.assert_close(value, earlier[name], msg=name)
    assert not torch.equal(weights(run)["head.weight"], earlier["head.weight"])


def test_half_precision_another_head_and_some_layers(train: Train, tmp_path: Path) -> None:
    more = ("trainer.precision=bf16-mixed", "model.head=label_attention", "adapter.targets=[query,value]")
    run = train(tmp_path / "run", "trainer.max_epochs=1", *more)
    found = weights(run)
    start = load_encoder("tiny").module.state_dict()
    changed = {name for name, value in start.items() if not torch.equal(value, found[f"encoder.{name}"])}
    assert changed == {f"encoder.layer.{n}.attention.self.{part}.weight" for n in (0, 1) for part in ("query", "value")}
    assert run.tagger("cpu").predict(["A small robot"], top=1)[0][0].probability > 0


# ---------------------------------------------------------------------------------------------------------- bad input


def test_a_target_that_is_not_there_stops_the_command(tagnet: Tagnet, small: tuple[str, ...], tmp_path: Path) -> None:
    code, out, err = tagnet("train", *small, *LORA, "adapter.targets=[qeury]", f"run.dir={tmp_path / 'run'}")
    assert (code, out) == (2, "")
    assert "adapter.targets: expected names of linear layers of BertModel, found 'qeury'; did you mean query?" in err
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


def test_a_missing_library_stops_the_command(
    tagnet: Tagnet, small: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    code, out, err = tagnet("train", *small, *LORA, f"run.dir={tmp_path / 'run'}")
    assert (code, out) == (2, "")
    assert "pip install 'tagnet[lora]'" in err
    assert "records" not in err, "nothing was read before"
    assert not (tmp_path / "run").exists()


# --------------------------------------------------------------------------------------------------- several processes


@pytest.mark.slow
def test_two_processes_give_the_logits_of_one(small: tuple[str, ...], small_records: Path, tmp_path: Path) -> None:
    def logits(name: str, *settings: str) -> np.ndarray:
        still = ("adapter.dropout=0", "model.dropout=0", "model.encoder_dropout=0")
        words = (*small, *LORA, *still, f"data.records={small_records}", *settings, f"run.dir={tmp_path / name}")
        command = [sys.executable, "-m", "tagnet.cli.main", "train", *words]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        assert done.returncode == 0, done.stderr
        table = pq.read_table(tmp_path / name / "predictions.parquet")
        return np.array([row["logits"] for row in table.to_pylist()])

    two = logits("two", "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    np.testing.assert_allclose(two, logits("one"), atol=1e-3)
