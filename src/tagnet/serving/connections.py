"""Connections with bounds: how many, how long a request's headers may take, how long a client may not read.

uvicorn bounds neither; its keep-alive alone ends connections that ask nothing. A sweep, once a second, ends those that
are over their time.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tagnet.serving.limits import Limits
from tagnet.serving.refusal import refusal_body

_AHEAD = 32
"""Requests that a client may send before it has heard the answer to the first; each one waits in memory."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with the bounds of `limits`."""

    limits: ClassVar[Limits] = Limits()

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._refused = False
        self._requests = 0
        self._headers_since: float | None = None
        self._header_bytes = 0
        self._in_body = False
        self._rest_since: float | None = None
        """Since when the rest of a body comes whose request is answered already: it is read past."""
        self._unread = 0
        self._unread_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or say that there are too many."""
        super().connection_made(transport)
        self._headers_since = time.monotonic()
        if len(self.connections) > self.limits.connections:
            self._refuse(503, b"Service Unavailable", "too_many_connections", "too many connections; try again in 2 s")

    def data_received(self, data: bytes) -> None:
        """Take what a client sends."""
        if self._refused:
            return
        if self._headers_since is not None and self._header_bytes > self.limits.header_bytes:
            self._refuse(431, b"Request Header Fields Too Large", "headers_too_large", "send shorter headers")
            return
        requests = self._requests
        super().data_received(data)
        # Where these bytes have begun a request, there may be another one's body before it.
        if self._headers_since is not None and requests == self._requests:
            self._header_bytes += len(data)

    def on_message_begin(self) -> None:
        """Count a request's headers from here on."""
        super().on_message_begin()
        self._requests += 1
        self._headers_since = time.monotonic()
        self._header_bytes = 0

    def on_headers_complete(self) -> None:
        """Go on once the headers are there."""
        self._headers_since = None
        self._in_body = True
        if len(self.pipeline) >= _AHEAD:
            self._refused = True
            self.transport.abort()
        if not self._refused:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A whole request is there."""
        super().on_message_complete()
        self._in_body = False
        self._rest_since = None

    def on_response_complete(self) -> None:
        """Go on with the next request; while some wait, no more are read."""
        super().on_response_complete()
        now = time.monotonic()
        if self.pipeline:
            self.flow.pause_reading()
        if self._headers_since is not None:  # they had to wait for this answer
            self._headers_since = now
        if self._in_body and self.cycle.response_complete:
            self._rest_since = now

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is refused as all else is."""
        self._refuse(400, b"Bad Request", "not_http", "this is not HTTP as it should be")

    def is_late(self, now: float) -> bool:
        """Whether the client has used up its time."""
        limits = self.limits
        answered = self.cycle is None or self.cycle.response_complete
        if answered and self._headers_since is not None and now - self._headers_since > limits.header_seconds:
            return True
        if self._rest_since is not None and now - self._rest_since > limits.body_seconds:
            return True
        unread = self.transport.get_write_buffer_size()
        if unread == 0 or unread != self._unread:
            self._unread, self._unread_since = unread, now
            return False
        return now - self._unread_since > limits.taken_seconds

    def _refuse(self, status: int, phrase: bytes, code: str, message: str) -> None:
        """Say why, and end the connection; where answers are still to come, say nothing and end it after them."""
        self._refused = True
        self._unset_keepalive_if_required()
        if self.cycle is not None and not self.cycle.response_complete and (self.pipeline or not self._in_body):
            self.cycle.keep_alive = False
            return
        body = refusal_body(code, message)
        again = b"retry-after: 2\r\n" if status == 503 else b""
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%sconnection: close\r\n\r\n%s"
            % (status, phrase, len(body), again, body)
        )
        self.transport.close()


def sweep(connections: set[Any]) -> int:
    """End the connections that are late, and those with most to take where all have too much; how many."""
    now = time.monotonic()
    ours = _bounded(connections)
    ended = [each for each in ours if each.is_late(now)]
    waiting = sorted(set(ours).difference(ended), key=_unread_of, reverse=True)
    too_much = sum(map(_unread_of, waiting)) - (ours[0].limits.unread_bytes if ours else 0)
    for each in waiting:
        if too_much <= 0:
            break
        too_much -= _unread_of(each)
        ended.append(each)
    for each in ended:
        each.transport.abort()
    return len(ended)


def unread_bytes(connections: set[Any]) -> int:
    """Bytes of answers that clients have not taken yet."""
    return sum(map(_unread_of, _bounded(connections)))


def _bounded(connections: set[Any]) -> list[BoundedProtocol]:
    return [each for each in list(connections) if isinstance(each, BoundedProtocol)]


def _unread_of(connection: BoundedProtocol) -> int:
    return connection.transport.get_write_buffer_size()
