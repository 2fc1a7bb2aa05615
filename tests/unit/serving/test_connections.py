"""A client that uses up its time is ended; one that does something is not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from tagnet.serving.connections import BoundedProtocol, sweep
from tagnet.serving.limits import Limits


class Transport(asyncio.Transport):
    """Keeps what is written, and knows how much the other side has not taken."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.unread = 0
        self.ended = ""

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return self.unread

    def is_closing(self) -> bool:
        return bool(self.ended)

    def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(0)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def connect(loop: asyncio.AbstractEventLoop) -> Any:
    state = ServerState()
    limits = Limits(connections=2, header_seconds=5, taken_seconds=7, header_bytes=100)
    kind = type("Protocol", (BoundedProtocol,), {"limits": limits})

    def make() -> Any:
        protocol = kind(uvicorn.Config(nothing, lifespan="off", log_config=None), state, {}, loop)
        protocol.connection_made(Transport())
        return protocol

    return make


def test_headers_have_their_time(connect: Any) -> None:
    protocol = connect()
    since = protocol._headers_since
    assert not protocol.is_late(since + 4)
    protocol.data_received(b"GET / HTTP/1.1\r\n")
    assert protocol.is_late(since + 6)


def test_answers_that_nobody_takes(connect: Any) -> None:
    protocol = connect()
    protocol._headers_since = None
    protocol.transport.unread = 9
    assert not protocol.is_late(100)
    assert not protocol.is_late(106)
    protocol.transport.unread = 8
    assert not protocol.is_late(108)
    assert not protocol.is_late(114)
    assert protocol.is_late(116)


def test_a_sweep_ends_the_late_ones_alone(connect: Any) -> None:
    late, other = connect(), connect()
    late._headers_since -= 60
    assert sweep(late.connections) == 1
    assert (late.transport.ended, other.transport.ended) == ("aborted", "")


def test_one_connection_too_many(connect: Any) -> None:
    kept = [connect(), connect()]
    refused = connect()
    assert refused.transport.written.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"retry-after: 2\r\n" in refused.transport.written
    assert refused.transport.ended == "closed"
    refused.data_received(b"GET / HTTP/1.1\r\n\r\n")
    assert not any(each.transport.ended for each in kept)


def test_headers_that_never_end(connect: Any) -> None:
    protocol = connect()
    protocol.data_received(b"GET / HTTP/1.1\r\n" + b"x: " + b"y" * 200)
    assert not protocol.transport.ended
    protocol.data_received(b"y")
    assert protocol.transport.written.startswith(b"HTTP/1.1 431")
    assert protocol.transport.ended == "closed"
