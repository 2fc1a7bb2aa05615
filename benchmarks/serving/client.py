"""An HTTP client that costs as little as can be: what is measured is the server."""

from __future__ import annotations

import asyncio
import json
from typing import Any


class Connection:
    """One connection that is kept, and opened anew when it was closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(request(path, body))
        try:
            return await self._answer()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.close()
            raise

    async def post_slowly(self, path: str, body: bytes, pieces: int, pause: float) -> tuple[int, dict[str, str], bytes]:
        """As `post`, the request sent in pieces."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        content = request(path, body)
        size = -(-len(content) // pieces)
        for start in range(0, len(content), size):
            self._writer.write(content[start : start + size])
            await self._writer.drain()
            await asyncio.sleep(pause)
        return await self._answer()

    async def cut(self, path: str, body: bytes, sent: int) -> None:
        """Send a part of a request and go away."""
        _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(request(path, body)[:sent])
        await writer.drain()
        writer.transport.abort()

    def close(self) -> None:
        """Close the connection."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def _answer(self) -> tuple[int, dict[str, str], bytes]:
        head = await self._reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        content = await self._reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            self.close()
        return int(first.split()[1]), headers, content


def request(path: str, body: bytes) -> bytes:
    """The bytes of a POST."""
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def tags_body(records: list[dict[str, str]], **more: Any) -> bytes:
    """The body of a request of /v1/tags."""
    return json.dumps({"records": records, **more}).encode()
