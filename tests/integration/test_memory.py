"""Batches that do not fit: one clear error before training, or in its midst, and nothing half-written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from tagnet.cli.compose import train_config
from tagnet.errors import HardwareError
from tagnet.training import preflight
from tagnet.training.fit import fit

Tagnet = Callable[..., tuple[int, str, str]]


def test_a_batch_that_cannot_fit_ends_before_training(
    tagnet: Tagnet, small: tuple[str, ...], small_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "available_memory", lambda: 20 * 2**20)
    settings = [*small, f"data.records={small_records}", f"run.dir={tmp_path / 'run'}", "trainer.eval_batch_size=1"]
    code, out, err = tagnet("train", *settings, "trainer.batch_size=100000000")
    assert (code, out) == (2, "")
    assert "error: trainer.batch_size=100000000: " in err
    assert "trainer.accumulate=" in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
    way_out = err[err.index("Ways out: ") :].removeprefix("Ways out: ").split()[:2]
    code, out, err = tagnet("train", *settings, *way_out, "trainer.max_epochs=1", "evaluation.baselines=[]")
    assert code == 0, err


def test_memory_that_runs_out_in_the_midst_leaves_a_resume_point(
    small: tuple[str, ...], small_records: Path, tmp_path: Path
) -> None:
    class RunsOut(pl.Callback):
        def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
            if trainer.current_epoch == 1:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    settings: tuple[Any, ...] = (*small, f"data.records={small_records}", f"run.dir={tmp_path / 'run'}")
    with pytest.raises(HardwareError, match=r"trainer\.batch_size=32: the GPU ran out of memory \(CUDA out of memory"):
        fit(train_config(*settings), callbacks=[RunsOut()])
    assert list((tmp_path / "run" / "checkpoints").glob("resume-*.ckpt"))
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert fit(train_config(*settings)).metrics
