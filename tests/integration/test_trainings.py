"""Trainings out of the ordinary: other precisions, steps of several batches, and models that go wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tagnet.cli.compose import train_config
from tagnet.errors import CollapseError, DivergenceError
from tagnet.losses.registry import make_loss
from tagnet.training.callbacks import CollapseCheck
from tagnet.training.fit import Run, fit

Tagnet = Callable[..., tuple[int, str, str]]
Train = Callable[..., Run]

NO_LEARNING = ("optim.lr=1e-15", "optim.head_lr=1e-15", "optim.weight_decay=0")


@pytest.fixture
def train(small: tuple[str, ...], small_records: Path, tmp_path: Path) -> Train:
    """Train for one epoch into a folder of this name."""

    def run(name: str, *settings: str) -> Run:
        common = (f"data.records={small_records}", "trainer.max_epochs=1", "evaluation.baselines=[]")
        return fit(train_config(*small, *common, *settings, f"run.dir={tmp_path / name}"))

    return run


def losses(run: Run) -> list[float]:
    lines = [json.loads(line) for line in (run.dir / "metrics.jsonl").read_text().splitlines()]
    return [line["train.loss"] for line in lines if "train.loss" in line]


def logits(run: Run) -> Any:
    return np.array([row["logits"] for row in pq.read_table(run.dir / "predictions.parquet").to_pylist()])


def test_bf16_learns_like_full_precision(train: Train) -> None:
    full, half = train("full"), train("half", "trainer.precision=bf16-mixed")
    assert losses(half) == pytest.approx(losses(full), rel=0.02)
    assert losses(half) != losses(full)
    difference = np.abs(logits(half) - logits(full))
    assert 0 < difference.max() < 0.1
    # The bundle is of full precision all the same, and predicts.
    assert half.tagger("cpu").predict(["A small robot"], top=1)[0][0].probability > 0


def test_bf16_clips_with_the_fused_optimizer(train: Train) -> None:
    fused, plain = (
        train(name, "trainer.precision=bf16-mixed", "optim.clip_norm=0.01", f"optim.fused={name}")
        for name in ("true", "false")
    )
    np.testing.assert_allclose(logits(fused), logits(plain), atol=1e-2)


@pytest.mark.parametrize("settings", [(), ("trainer.precision=bf16-mixed",)])
@pytest.mark.parametrize("monitor", ["map", "loss"])
def test_what_is_measured_and_kept_are_the_weights_of_the_best_epoch(
    monitor: str, settings: tuple[str, ...], train: Train
) -> None:
    rates = ("optim.lr=5e-3", "optim.head_lr=5e-2")
    words = ("trainer.max_epochs=4", f"trainer.monitor=val.{monitor}", "model.lexical=false")
    run = train("run", *words, *rates, *settings)
    lines = [json.loads(line) for line in (run.dir / "metrics.jsonl").read_text().splitlines()]
    epochs = [line for line in lines if "val.map" in line]
    best = min(epochs, key=lambda line: line["val.loss"] if monitor == "loss" else -line["val.map"])
    # Epochs are validated in the precision of training; what is kept speaks in float32.
    rel = 2e-2 if settings else 1e-3
    for name in ("map", "f1_micro", "log_loss"):
        assert run.metrics["val"][name]["value"] == pytest.approx(best[f"val.{name}"], rel=rel), name


@pytest.mark.parametrize("accumulate", [2, 4])
def test_the_loss_of_a_step_is_the_mean_over_its_batches(accumulate: int, train: Train) -> None:
    # Where nothing is learned, every batch has the same loss in both runs.
    alone = losses(train("alone", *NO_LEARNING))
    together = losses(train("together", *NO_LEARNING, f"trainer.accumulate={accumulate}"))
    groups = [alone[i : i + accumulate] for i in range(0, len(alone), accumulate)]
    assert together == pytest.approx([np.mean(group) for group in groups], rel=1e-5)
    # Six batches: the last step of four has two.
    assert len(alone) == 6


def test_a_model_that_diverges_ends_the_run_with_one_clear_error(
    tagnet: Tagnet, small: tuple[str, ...], small_records: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    words = (f"data.records={small_records}", "optim.lr=1e38", "optim.head_lr=1e38", "optim.clip_norm=null")
    code, out, err = tagnet("train", *small, *words, f"run.dir={folder}")
    assert (code, out) == (2, "")
    assert "no longer finite" in err
    assert "optim.lr" in err
    assert "Traceback" not in err
    assert not (folder / "metrics.json").exists()
    assert not (folder / "bundle").exists()


def test_a_loss_that_is_not_a_number_is_noticed(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*words: Any) -> Any:
        loss = make_loss(*words)
        loss.register_forward_hook(lambda _module, _inputs, value: value * float("nan"))
        return loss

    monkeypatch.setattr("tagnet.training.fit.make_loss", broken)
    with pytest.raises(DivergenceError, match="after epoch 1"):
        train("run")


NOTHING = ("thresholds=fixed", "thresholds.threshold=0.999")


def test_a_collapsed_model_is_spoken_of(train: Train, caplog: pytest.LogCaptureFixture) -> None:
    run = train("run", *NOTHING)
    assert "COLLAPSE" in caplog.text
    assert "predicts nothing" in (run.dir / "run.log").read_text()
    assert json.loads((run.dir / "metrics.json").read_text())["collapsed"] == 1
    assert "predicts nothing" in (run.dir / "report.html").read_text(encoding="utf-8")


def test_a_collapsed_model_can_be_refused(train: Train, tmp_path: Path) -> None:
    with pytest.raises(CollapseError, match="after epoch 1 the model has collapsed: it predicts nothing"):
        train("run", *NOTHING, "evaluation.on_collapse=error")
    assert not (tmp_path / "run" / "bundle").exists()
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_weights_that_had_collapsed_early_are_refused_too(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In the first half of training no epoch is refused; its weights may yet turn out to be the best.
    monkeypatch.setattr(CollapseCheck, "on_validation_epoch_end", lambda *_: None)
    with pytest.raises(CollapseError, match="the best weights have collapsed: it predicts nothing"):
        train("run", *NOTHING, "evaluation.on_collapse=error")
    assert not (tmp_path / "run" / "bundle").exists()


def test_a_healthy_model_is_not_refused(train: Train) -> None:
    run = train("run", "evaluation.on_collapse=error", "thresholds=global", "calibrator=none", "optim.head_lr=0.05")
    assert json.loads((run.dir / "metrics.json").read_text())["collapsed"] == 0


def test_records_at_hand_keep_their_own_tags(small: tuple[str, ...], small_records: Path, tmp_path: Path) -> None:
    rows = json.loads(small_records.read_text())
    for row in rows:
        row["tags"] = ["a-tag-of-mine" if len(row["title"]) % 2 else "another-of-mine"]
    settings = (*small, "trainer.max_epochs=1", "evaluation.baselines=[]", f"run.dir={tmp_path / 'run'}")
    run = fit(train_config(*settings), rows)
    assert run.tagger("cpu").tags == ("a-tag-of-mine", "another-of-mine")
    data = json.loads((run.dir / "data.json").read_text())
    assert (data["source"], data["taxonomy"]) == ("the given records", None)


def test_a_promise_of_recall_is_said_to_be_void_for_later_records(train: Train) -> None:
    said = {
        split: (train(split, "thresholds=conformal_recall", f"split={split}").dir / "run.log").read_text()
        for split in ("date", "iterative")
    }
    assert "the recall of 0.8 that thresholds.recall asks for is promised for records like those" in said["date"]
    assert "promised" not in said["iterative"]
