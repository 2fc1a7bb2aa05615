"""A client that uses up its time is ended; one that does something is not."""

from __future__ import annotations

import asyncio
import time
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

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

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
    limits = Limits(connections=2, header_seconds=5, taken_seconds=7, header_bytes=100, unread_bytes=1000)
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


def test_where_all_have_too_much_to_take_the_largest_go(connect: Any) -> None:
    few, many = connect(), connect()
    few.transport.unread, many.transport.unread = 400, 601
    assert sweep(few.connections) == 1
    assert (few.transport.ended, many.transport.ended) == ("", "aborted")


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
    protocol.data_received(b"y" * 101)
    protocol.data_received(b"y")
    assert protocol.transport.written.startswith(b"HTTP/1.1 431")
    assert protocol.transport.ended == "closed"


@pytest.fixture
def may_answer() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def speak(connect: Any, loop: asyncio.AbstractEventLoop, may_answer: asyncio.Event) -> Any:
    """A connection whose requests are answered, body or no body, once they may be."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    protocol = connect()
    protocol.app = answer

    def speak(*pieces: bytes) -> Any:
        for piece in pieces:
            protocol.data_received(piece)
            loop.run_until_complete(asyncio.sleep(0.01))
        return protocol

    return speak


def test_the_rest_of_a_body_is_no_header(speak: Any, may_answer: asyncio.Event) -> None:
    may_answer.set()
    protocol = speak(b"POST / HTTP/1.1\r\ncontent-length: 600\r\n\r\n", *[b"x" * 150] * 4, b"GET / HTTP/1.1\r\n\r\n")
    assert protocol.transport.written.count(b"HTTP/1.1 200") == 2
    assert not protocol.transport.ended
    protocol._unset_keepalive_if_required()


def test_the_rest_of_a_body_has_its_time(speak: Any, may_answer: asyncio.Event) -> None:
    may_answer.set()
    protocol = speak(b"POST / HTTP/1.1\r\ncontent-length: 600\r\n\r\n", b"x")
    now = time.monotonic()
    assert not protocol.is_late(now + 15)
    assert protocol.is_late(now + 21)
    speak(b"x" * 599)
    assert not protocol.is_late(now + 21)
    protocol._unset_keepalive_if_required()


def test_headers_that_never_end_behind_a_request(speak: Any, may_answer: asyncio.Event) -> None:
    protocol = speak(b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nx: ", *[b"y" * 150] * 3)
    kept = len(protocol.headers), protocol._header_bytes
    speak(*[b"z: y\r\n" * 99] * 9)
    assert (len(protocol.headers), protocol._header_bytes) == kept
    assert protocol.transport.written == b""
    assert not protocol.is_late(time.monotonic() + 6)
    may_answer.set()
    speak(b"")
    assert protocol.transport.written.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in protocol.transport.written
    assert protocol.transport.ended == "closed"


def test_headers_wait_for_the_answer_before_them(speak: Any, may_answer: asyncio.Event) -> None:
    protocol = speak(b"GET / HTTP/1.1\r\n\r\nGET / HTT")
    protocol._headers_since -= 60
    assert not protocol.is_late(time.monotonic())
    may_answer.set()
    speak(b"")
    assert not protocol.is_late(time.monotonic() + 4)
    assert protocol.is_late(time.monotonic() + 6)
    protocol._unset_keepalive_if_required()


def test_what_is_no_http_is_refused_as_all_else_is(speak: Any) -> None:
    written = speak(b"\x00 nonsense\r\n\r\n").transport.written
    assert written.startswith(b"HTTP/1.1 400 ")
    assert b'{"error": {"code": "not_http"' in written
