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
        self._headers_since: float | None = None
        self._header_bytes = 0
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
        if self._headers_since is None and (self.cycle is None or self.cycle.response_complete):
            self._headers_since = time.monotonic()
            self._header_bytes = 0
        if self._headers_since is not None and self._header_bytes > self.limits.header_bytes:
            self._refuse(431, b"Request Header Fields Too Large", "headers_too_large", "send shorter headers")
            return
        self._header_bytes += len(data)
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """Go on once the headers are there."""
        self._headers_since = None
        if len(self.pipeline) >= _AHEAD:
            self._refused = True
            self.transport.abort()
        if not self._refused:
            super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request; while some wait, no more are read."""
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()

    def is_late(self, now: float) -> bool:
        """Whether the client has used up its time."""
        if self._headers_since is not None and now - self._headers_since > self.limits.header_seconds:
            return True
        unread = self.transport.get_write_buffer_size()
        if unread == 0 or unread != self._unread:
            self._unread, self._unread_since = unread, now
            return False
        return now - self._unread_since > self.limits.taken_seconds

    def _refuse(self, status: int, phrase: bytes, code: str, message: str) -> None:
        self._refused = True
        self._unset_keepalive_if_required()
        body = refusal_body(code, message)
        again = b"retry-after: 2\r\n" if status == 503 else b""
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%sconnection: close\r\n\r\n%s"
            % (status, phrase, len(body), again, body)
        )
        self.transport.close()


def sweep(connections: set[Any]) -> int:
    """End the connections that are late; how many."""
    now = time.monotonic()
    late = [each for each in list(connections) if isinstance(each, BoundedProtocol) and each.is_late(now)]
    for each in late:
        each.transport.abort()
    return len(late)
