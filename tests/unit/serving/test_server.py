"""When a server that was asked to stop does so."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tagnet.serving import server as module
from tagnet.serving.limits import Limits
from tagnet.serving.server import StoppingServer, make_server

Tick = Callable[[float], bool]


@pytest.fixture
def server(start: Callable[..., Any]) -> StoppingServer:
    return make_server(start().guard, "127.0.0.1", 0, Limits(stop_seconds=9), lambda port: None)


@pytest.fixture
def stops_after(server: StoppingServer) -> Tick:
    """Whether the server has stopped so many seconds after the signal."""
    server.handle_exit(signal.SIGTERM, None)
    begun = server._stop_since
    assert begun is not None

    def stops_after(seconds: float) -> bool:
        server._stop_since = begun - seconds
        return asyncio.run(server.on_tick(1))

    return stops_after


def test_with_nothing_in_flight_it_says_so_for_a_moment(stops_after: Tick, server: StoppingServer) -> None:
    assert server._guard.stopping
    assert not stops_after(0.5)
    assert stops_after(2)


def test_what_is_in_flight_is_finished(stops_after: Tick, server: StoppingServer) -> None:
    server._guard.in_flight = 1
    assert not stops_after(8)
    assert stops_after(10)


def test_answers_are_taken_first(stops_after: Tick, monkeypatch: pytest.MonkeyPatch) -> None:
    unread = [7]
    monkeypatch.setattr(module, "unread_bytes", lambda connections: unread[0])
    assert not stops_after(8)
    unread[0] = 0
    assert stops_after(8)


def test_a_second_signal_ends_it_at_once(stops_after: Tick, server: StoppingServer) -> None:
    server._guard.in_flight = 1
    server.handle_exit(signal.SIGTERM, None)
    assert stops_after(0)
    assert server.force_exit
