"""A bar where there is a terminal, and a line an epoch everywhere."""

from __future__ import annotations

import logging
from io import StringIO
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from rich.console import Console

from tagnet.training.progress import TrainingProgress

MODULE = cast(Any, None)


def trainer(step: int, epoch: int) -> Any:
    metrics = {"val.map": torch.tensor(0.5), "val.loss": torch.tensor(0.25)}
    return SimpleNamespace(
        global_step=step, current_epoch=epoch, max_epochs=3, sanity_checking=False, callback_metrics=metrics
    )


def set_clock(monkeypatch: pytest.MonkeyPatch, *seconds: float) -> None:
    """What the clock shows, each time it is looked at."""
    shown = iter(seconds)
    monkeypatch.setattr("tagnet.training.progress.time", SimpleNamespace(monotonic=lambda: next(shown)))


def test_every_epoch_is_a_line_with_what_is_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    set_clock(monkeypatch, 100, 140, 180)
    bar = TrainingProgress(None, num_steps=30, monitor="val.map")
    with caplog.at_level(logging.INFO, "tagnet"):
        bar.on_train_start(trainer(0, 0), MODULE)
        bar.on_train_batch_end(trainer(1, 0), MODULE, None, None, 0)
        bar.on_validation_end(trainer(10, 0), MODULE)
        bar.on_validation_end(trainer(20, 1), MODULE)
    assert caplog.messages == [
        "epoch 1/3  step 10/30  val.loss 0.2500  val.map 0.5000  40 s spent, about 1 min 20 s left",
        "epoch 2/3  step 20/30  val.loss 0.2500  val.map 0.5000  1 min 20 s spent, about 40 s left",
    ]


def test_a_run_that_goes_on_reckons_with_its_own_steps_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    set_clock(monkeypatch, 100, 110)
    bar = TrainingProgress(None, num_steps=30, monitor="val.map")
    with caplog.at_level(logging.INFO, "tagnet"):
        bar.on_train_start(trainer(15, 1), MODULE)
        bar.on_validation_end(trainer(20, 1), MODULE)
    assert "about 20 s left" in caplog.messages[0]


def test_a_terminal_gets_a_bar_that_is_taken_away() -> None:
    out = StringIO()
    console = Console(file=out, force_terminal=True, width=80)
    bar = TrainingProgress(console, num_steps=30, monitor="val.map")
    bar.on_train_start(trainer(0, 0), MODULE)
    bar.on_train_batch_end(trainer(12, 0), MODULE, None, None, 0)
    bar.teardown(trainer(12, 0), MODULE, "fit")
    said = out.getvalue()
    assert "12/30" in said
    # The cursor was hidden, and is shown again: also after an error, for Lightning calls this hook then too.
    assert said.count("\x1b[?25l") == said.count("\x1b[?25h") == 1
    bar.teardown(trainer(12, 0), MODULE, "fit")


def test_a_pipe_gets_no_bar() -> None:
    out = StringIO()
    bar = TrainingProgress(Console(file=out), num_steps=30, monitor="val.map")
    bar.on_train_start(trainer(0, 0), MODULE)
    bar.on_train_batch_end(trainer(12, 0), MODULE, None, None, 0)
    bar.teardown(trainer(12, 0), MODULE, "fit")
    assert out.getvalue() == ""
