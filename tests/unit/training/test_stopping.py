"""Requests to stop: noted while training, obeyed where nothing is lost."""

from __future__ import annotations

import os
import signal
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from tagnet.training.stopping import EXIT_CODE, Stopped, StopRequests


def trainer(rank: int = 0, local_rank: int = 0) -> Any:
    """What is asked of a trainer."""
    strategy = SimpleNamespace(root_device=None, barrier=lambda: None)
    return SimpleNamespace(strategy=strategy, is_global_zero=rank == 0, local_rank=local_rank)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_is_noted_and_what_was_before_comes_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopRequests() as stop:
        assert not stop.asked(trainer())
        os.kill(os.getpid(), number)
        assert stop.asked(trainer())
    assert signal.getsignal(number) is before


def test_a_handler_that_came_later_gives_way() -> None:
    with StopRequests() as stop:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stop.listen()
        signal.raise_signal(signal.SIGTERM)
        assert stop.asked(trainer())


def test_another_thread_leaves_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[Any] = []

    def train() -> None:
        with StopRequests() as stop:
            stop.listen()
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.parametrize(
    ("rank", "local_rank", "environment", "code"),
    [
        (0, 0, {}, EXIT_CODE),
        (1, 1, {}, 0),
        (4, 0, {}, 0),
        (4, 0, {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}, EXIT_CODE),
        (5, 1, {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}, 0),
    ],
)
def test_the_process_that_its_launcher_looks_at_reports_the_stop(
    rank: int, local_rank: int, environment: dict[str, str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Stopped) as stop:
        StopRequests().stop(trainer(rank, local_rank))
    assert stop.value.code == code
