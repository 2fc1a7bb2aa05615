"""Each line once, whatever the tool does, and no failure of a tool ends a run; with a tool that fails on demand."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tagnet.errors import ConfigError
from tagnet.training.tracking import tracker as tracker_file
from tagnet.training.tracking.tracker import Fact, Line, Results, Side, Status, Tracker, first_line, read_line

RESULTS = Results({"final.val.map": 0.5}, 2, [("a", 0.5, 3)], Path("report.html"))


class Store:
    """A tool in memory that is away while `away` is set."""

    tool = "memory"

    def __init__(self, held: Mapping[Side, int] | None = None) -> None:
        self.held = held or {}
        self.away = False
        self.calls: list[str] = []
        self.lines: list[Line] = []
        self.results: list[Results] = []
        self.status: Status | None = None

    def call(self, name: str) -> None:
        self.calls.append(name)
        if self.away:
            raise ConnectionRefusedError(111, "Connection refused")

    def open(self, facts: Mapping[str, Fact]) -> None:
        self.call("open")

    def resume(self, lines: Sequence[Line]) -> Mapping[Side, int]:
        self.call("resume")
        return self.held

    def send(self, lines: Sequence[Line]) -> None:
        self.call("send")
        self.lines += lines

    def finish(self, results: Results) -> None:
        self.call("finish")
        self.results.append(results)

    def close(self, status: Status) -> None:
        self.call("close")
        self.status = status


def train(step: int) -> dict[str, Any]:
    return {"step": step, "epoch": 0, "lr": 0.1, "train.loss": 0.5}


def val(step: int) -> dict[str, Any]:
    return {"step": step, "epoch": 0, "val.loss": 0.4, "val.map": 0.3}


def steps(store: Store) -> list[tuple[Side, int]]:
    return [(line.side, line.step) for line in store.lines]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr(tracker_file, "_SECONDS_BETWEEN_TRIES", 0.0)


# ------------------------------------------------------------------------------------------------------- each line once


def test_a_run_that_goes_on_sends_what_the_tool_lacks() -> None:
    store = Store(held={"train": 3, "val": 2})
    tracker = Tracker(store)
    tracker.resume([train(1), train(2), val(2)])
    assert steps(store) == []
    # Steps 3 and 4 are repeated; the tool had got 3 before the run was killed.
    tracker.log_lines([train(3), train(4), val(4)])
    assert steps(store) == [("train", 4), ("val", 4)]


def test_what_the_tool_has_lost_is_sent_again() -> None:
    store = Store(held={"train": 1})
    Tracker(store).resume([train(1), train(2), val(2)])
    assert steps(store) == [("train", 2), ("val", 2)]


def test_the_epoch_is_kept_once_a_step_and_what_is_not_finite_not_at_all() -> None:
    assert read_line(train(1)).values == {"epoch": 0.0, "lr": 0.1, "train.loss": 0.5}
    assert read_line(val(1)).values == {"val.loss": 0.4, "val.map": 0.3}
    bad = {"step": 1, "epoch": 0, "lr": 0.1, "train.loss": None, "other": float("nan")}
    assert read_line(bad).values == {"epoch": 0.0, "lr": 0.1}


def test_requests_are_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker_file, "_VALUES_AT_ONCE", 7)
    store = Store()
    tracker = Tracker(store)
    tracker.resume([])
    tracker.log_lines([*map(train, range(1, 6)), {"step": 6} | {f"val.{n}": 0.5 for n in range(20)}])
    assert [step for _, step in steps(store)] == [1, 2, 3, 4, 5, 6]
    assert store.calls.count("send") == 4


def test_lightnings_own_way_in_sends_too() -> None:
    store = Store()
    tracker = Tracker(store)
    tracker.resume([])
    tracker.log_metrics({"memory": 1.5}, step=3)
    assert [(line.step, line.values) for line in store.lines] == [(3, {"memory": 1.5})]


# ------------------------------------------------------------------------------------------------------------- failures


@pytest.mark.usefixtures("impatient")
def test_a_tool_that_is_away_for_a_while_misses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    tracker = Tracker(store)
    tracker.resume([])
    for step in range(1, 7):
        store.away = step in (2, 3, 4)
        tracker.log_lines([train(step), val(step)])
    assert steps(store) == [(side, step) for step in range(1, 7) for side in ("train", "val")]
    (said,) = caplog.messages
    assert said.startswith("logger=memory has failed, and training goes on: Connection refused.")


@pytest.mark.usefixtures("impatient")
def test_a_tool_that_is_away_from_the_start_is_asked_later_what_it_has() -> None:
    store = Store(held={"train": 1})
    tracker = Tracker(store)
    store.away = True
    tracker.resume([train(1), train(2)])
    tracker.log_lines([train(3)])
    store.away = False
    tracker.log_lines([train(4)])
    assert steps(store) == [("train", 2), ("train", 3), ("train", 4)]


def test_a_tool_that_is_away_is_not_asked_at_every_epoch() -> None:
    store = Store()
    tracker = Tracker(store)
    tracker.resume([])
    store.away = True
    for step in range(1, 20):
        tracker.log_lines([train(step)])
    assert store.calls.count("send") == 1


def test_what_was_never_taken_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    tracker = Tracker(store)
    tracker.resume([])
    store.away = True
    tracker.log_lines([train(1), val(1)])
    tracker.log_results(RESULTS)
    tracker.close("finished")
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.WARNING]
    assert caplog.messages[1] == "logger=memory: 2 lines were not taken; metrics.jsonl has all of them"


def test_results_come_after_the_lines_that_waited() -> None:
    store = Store()
    tracker = Tracker(store)
    tracker.resume([])
    store.away = True
    tracker.log_lines([train(1)])
    store.away = False
    tracker.log_results(RESULTS)
    tracker.close("finished")
    assert steps(store) == [("train", 1)]
    assert store.calls[-3:] == ["send", "finish", "close"]
    assert (store.results, store.status) == ([RESULTS], "finished")


def test_a_tool_that_cannot_be_opened_is_an_error_before_training() -> None:
    store = Store()
    store.away = True
    with pytest.raises(ConfigError, match=r"logger=memory: expected memory to take the run, found: Connection refused"):
        Tracker(store).open({})


def test_keys_that_stop_a_run_are_not_swallowed() -> None:
    class Stopped(Store):
        def send(self, lines: Sequence[Line]) -> None:
            raise KeyboardInterrupt

    tracker = Tracker(Stopped())
    tracker.resume([])
    with pytest.raises(KeyboardInterrupt):
        tracker.log_lines([train(1)])


def test_the_reason_is_the_systems_and_short() -> None:
    error = RuntimeError("Could not\n" + "x" * 1000)
    assert first_line(error) == "Could not"
    error.__cause__ = FileNotFoundError(2, "No such file or directory")
    assert first_line(error) == "No such file or directory"
    assert len(first_line(ValueError("word " * 1000))) <= 200
    assert first_line(ValueError()) == "ValueError"
