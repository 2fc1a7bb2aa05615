"""Calibration, metrics, the check for collapse and the log of every step, under a stub of a trainer."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from torch import nn

from tagnet.config import SharedPlattConfig, ShrunkThresholdsConfig
from tagnet.data.datamodule import Targets
from tagnet.errors import CollapseError, DivergenceError
from tagnet.training.callbacks import CalibratedThresholds, CollapseCheck, MetricsLog, PerTagMetrics, ValidationView
from tagnet.training.module import TaggerModule

TAGS = ("a", "b", "c")
V, K = 30, 3


def trainer(**more: Any) -> Any:
    """What callbacks ask of a trainer."""
    values = {
        "current_epoch": 0,
        "max_epochs": 4,
        "global_step": 0,
        "is_global_zero": True,
        "accumulate_grad_batches": 1,
        "optimizers": [SimpleNamespace(param_groups=[{"lr": 0.1}, {"lr": 0.3}])],
        "callback_metrics": {},
    }
    return SimpleNamespace(**(values | more))


class Module(TaggerModule):
    """A module whose validation logits are given, and that keeps what is logged."""

    def __init__(self, index_V: NDArray[np.int64], logits_VK: NDArray[np.float32], loss: Any = None) -> None:
        nn.Module.__init__(self)
        self.given = index_V, logits_VK
        self.loss = cast(Any, loss)
        self.logged: dict[str, float] = {}

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def validation_logits(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        return self.given

    def log_dict(self, dictionary: Any, *_: Any, **__: Any) -> None:
        assert all(value.dtype == torch.float64 for value in dictionary.values())
        self.logged |= {name: float(value) for name, value in dictionary.items()}


@pytest.fixture
def y_NK() -> NDArray[np.uint8]:
    """Labels of a corpus, of which the last V records validate."""
    return (np.random.default_rng(0).random((50, K)) < 0.4).astype(np.uint8)


@pytest.fixture
def module(y_NK: NDArray[np.uint8]) -> Module:
    """Logits that know something of the labels."""
    index_V = np.arange(20, 50)
    noise = np.random.default_rng(1).normal(size=(V, K))
    return Module(index_V, (2.0 * y_NK[index_V] - 1 + noise).astype(np.float32))


@pytest.fixture
def calibrated(y_NK: NDArray[np.uint8]) -> CalibratedThresholds:
    return CalibratedThresholds(
        TAGS, y_NK, SharedPlattConfig("shared_platt", 10.0), ShrunkThresholdsConfig("shrunk", 10.0)
    )


# ----------------------------------------------------------------------------------------------- calibration, metrics


def test_the_rule_is_fitted_on_the_labels_of_these_records(
    calibrated: CalibratedThresholds, module: Module, y_NK: NDArray[np.uint8]
) -> None:
    calibrated.on_validation_epoch_end(trainer(), module)
    assert calibrated.rule is not None
    assert calibrated.view is not None
    assert calibrated.rule.tags == TAGS
    np.testing.assert_array_equal(calibrated.view.y_VK, y_NK[20:])
    np.testing.assert_array_equal(calibrated.view.accepted_VK, calibrated.view.probs_VK >= calibrated.rule.thresholds_K)
    # A calibrated model expects as many positives as there are.
    assert calibrated.view.probs_VK.sum() == pytest.approx(y_NK[20:].sum(), rel=0.05)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_an_error_of_their_own(
    bad: float, calibrated: CalibratedThresholds, module: Module
) -> None:
    module.given[1][3, 1] = bad
    with pytest.raises(DivergenceError, match=r"after epoch 3 .*diverged\.\nLower optim\.lr"):
        calibrated.on_validation_epoch_end(trainer(current_epoch=2), module)


def test_metrics_are_of_all_logits_of_the_epoch(
    calibrated: CalibratedThresholds, module: Module, y_NK: NDArray[np.uint8]
) -> None:
    def loss(logits_BK: torch.Tensor, targets_BK: torch.Tensor, known_BK: torch.Tensor | None) -> torch.Tensor:
        return nn.functional.binary_cross_entropy_with_logits(logits_BK, targets_BK, weight=known_BK)

    module.loss = cast(Any, loss)
    known_NK = np.random.default_rng(2).random((50, K)) < 0.7
    soft = y_NK * np.float32(0.9)
    calibrated.on_validation_epoch_end(trainer(), module)
    PerTagMetrics(calibrated, Targets(soft, known_NK), (1, 2)).on_validation_epoch_end(trainer(), module)
    logits_VK = torch.from_numpy(module.given[1])
    expected = loss(logits_VK, torch.from_numpy(soft[20:]), torch.from_numpy(known_NK[20:]))
    assert module.logged["val.loss"] == pytest.approx(float(expected), rel=1e-6)
    assert calibrated.view is not None
    expected_map = average_precision_score(y_NK[20:], calibrated.view.probs_VK, average="macro")
    assert module.logged["val.map"] == pytest.approx(expected_map)
    assert {"val.f1_micro", "val.f1_macro", "val.ece", "val.precision_at_2"} <= set(module.logged)
    assert all(np.isfinite(value) for value in module.logged.values())


# ----------------------------------------------------------------------------------------------------------- collapse


def check(on_collapse: str = "warn") -> CollapseCheck:
    seen = cast(Any, SimpleNamespace(view=None))
    return CollapseCheck(seen, np.full(K, 0.4), on_collapse)


def end_of_epoch(callback: CollapseCheck, epoch: int, collapsed: bool) -> None:
    """The end of an epoch, of four, in which nothing is predicted or all is well."""
    probs_VK = np.random.default_rng(epoch).random((V, K))
    accepted_VK = np.zeros((V, K), np.bool_) if collapsed else probs_VK > 0.5
    view = ValidationView(probs_VK, np.zeros((V, K), np.uint8), accepted_VK)
    cast(Any, callback)._calibrated.view = view
    callback.on_validation_epoch_end(trainer(current_epoch=epoch), cast(Any, None))


def test_a_collapse_is_said_once_from_the_middle_of_training_on(caplog: pytest.LogCaptureFixture) -> None:
    callback = check()
    said = []
    for epoch in range(4):
        end_of_epoch(callback, epoch, collapsed=True)
        said.append(len(caplog.messages))
    # Nothing is odd about a young model that predicts nothing; one that still does has to be spoken of.
    assert said == [0, 1, 1, 1]
    assert caplog.messages[0].startswith("COLLAPSE after epoch 2: it predicts nothing")


def test_a_collapse_that_comes_back_is_said_again(caplog: pytest.LogCaptureFixture) -> None:
    callback = check()
    for epoch, collapsed in [(1, True), (2, False), (3, True)]:
        end_of_epoch(callback, epoch, collapsed)
    assert [message.split(":")[0] for message in caplog.messages] == [
        "COLLAPSE after epoch 2",
        "COLLAPSE after epoch 4",
    ]


def test_a_run_that_goes_on_does_not_repeat_itself(caplog: pytest.LogCaptureFixture) -> None:
    before, after = check(), check()
    end_of_epoch(before, 2, collapsed=True)
    after.load_state_dict(before.state_dict())
    end_of_epoch(after, 3, collapsed=True)
    assert len(caplog.messages) == 1


def test_a_healthy_model_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    callback = check("error")
    for epoch in range(4):
        end_of_epoch(callback, epoch, collapsed=False)
    assert not caplog.messages


def test_a_collapse_can_be_an_error(caplog: pytest.LogCaptureFixture) -> None:
    callback = check("error")
    end_of_epoch(callback, 0, collapsed=True)
    with pytest.raises(CollapseError, match=r"after epoch 2 .*it predicts nothing.*\n.*on_collapse=warn"):
        end_of_epoch(callback, 1, collapsed=True)


# ------------------------------------------------------------------------------------------------------- metrics.jsonl


def batch(log: MetricsLog, stub: Any, loss: float, *, steps: bool = True) -> None:
    """The end of a training batch, as Lightning tells of it: the loss divided by the batches of a step."""
    stub.global_step += steps
    outputs = {"loss": torch.tensor(loss / stub.accumulate_grad_batches)}
    log.on_train_batch_end(stub, cast(Any, None), outputs, None, 0)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_step_and_every_validation_is_a_line(tmp_path: Path) -> None:
    path, stub = tmp_path / "metrics.jsonl", trainer()
    log = MetricsLog(path)
    log.on_train_start(stub, cast(Any, None))
    batch(log, stub, 0.5)
    batch(log, stub, 0.25)
    stub.callback_metrics = {"val.map": torch.tensor(0.1, dtype=torch.float64), "other": torch.tensor(1.0)}
    log.on_validation_end(stub, cast(Any, None))
    stub.current_epoch = 1
    batch(log, stub, float("nan"))
    stub.callback_metrics = {"val.map": torch.tensor(float("inf"))}
    log.on_validation_end(stub, cast(Any, None))
    assert lines(path) == [
        {"step": 1, "epoch": 0, "lr": 0.3, "train.loss": 0.5},
        {"step": 2, "epoch": 0, "lr": 0.3, "train.loss": 0.25},
        {"step": 2, "epoch": 0, "val.map": 0.1},
        {"step": 3, "epoch": 1, "lr": 0.3, "train.loss": None},
        {"step": 3, "epoch": 1, "val.map": None},
    ]


def test_the_loss_of_a_step_is_the_mean_of_its_batches(tmp_path: Path) -> None:
    path, stub = tmp_path / "metrics.jsonl", trainer(accumulate_grad_batches=2)
    log = MetricsLog(path)
    for loss, steps in [(0.5, False), (0.25, True), (1.0, True)]:
        batch(log, stub, loss, steps=steps)
    log.on_validation_end(stub, cast(Any, None))
    assert [line["train.loss"] for line in lines(path) if "train.loss" in line] == [0.375, 1.0]


def test_a_run_that_goes_on_cuts_off_what_came_after_its_point(tmp_path: Path) -> None:
    path, stub = tmp_path / "metrics.jsonl", trainer()
    log = MetricsLog(path)
    log.on_train_start(stub, cast(Any, None))
    batch(log, stub, 0.5)
    log.on_validation_end(stub, cast(Any, None))
    batch(log, stub, 0.25)
    state, step = json.loads(json.dumps(log.state_dict())), stub.global_step
    batch(log, stub, 0.125)
    log.on_validation_end(stub, cast(Any, None))
    whole = path.read_text()
    with path.open("a") as stream:
        stream.write('{"half a li')

    again, stub = MetricsLog(path), trainer(global_step=step)
    again.load_state_dict(state)
    again.on_train_start(stub, cast(Any, None))
    assert [line["step"] for line in lines(path)] == [1, 1]
    batch(again, stub, 0.125)
    again.on_validation_end(stub, cast(Any, None))
    assert path.read_text() == whole


def test_a_run_that_starts_afresh_in_its_folder_empties_the_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("what a run wrote that had no resume point yet\n")
    MetricsLog(path).on_train_start(trainer(), cast(Any, None))
    assert path.read_text() == ""


class Tracker:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.before: list[Any] = []
        self.lines: list[Any] = []

    def resume(self, entries: Any) -> None:
        self.before = list(entries)

    def log_lines(self, entries: Any) -> None:
        self.lines += entries


def test_a_tracker_is_told_what_the_file_gets(tmp_path: Path) -> None:
    path, stub, tracker = tmp_path / "metrics.jsonl", trainer(), Tracker()
    log = MetricsLog(path, cast(Any, tracker))
    log.on_train_start(stub, cast(Any, None))
    for loss in (0.5, float("nan")):
        batch(log, stub, loss)
        stub.callback_metrics = {"val.map": torch.tensor(loss)}
        log.on_validation_end(stub, cast(Any, None))
    assert tracker.before == []
    assert tracker.lines == lines(path)
    state = log.state_dict()
    with path.open("a") as stream:
        stream.write('{"half a li')

    again = MetricsLog(path, cast(Any, tracker))
    again.load_state_dict(state)
    again.on_train_start(stub, cast(Any, None))
    assert tracker.before == tracker.lines == lines(path)


def test_other_processes_write_nothing(tmp_path: Path) -> None:
    tracker = Tracker()
    log = MetricsLog(tmp_path / "metrics.jsonl", cast(Any, tracker))
    stub = trainer(is_global_zero=False)
    log.on_train_start(stub, cast(Any, None))
    batch(log, stub, 0.5)
    log.on_validation_end(stub, cast(Any, None))
    assert not list(tmp_path.iterdir())
    assert not tracker.lines
