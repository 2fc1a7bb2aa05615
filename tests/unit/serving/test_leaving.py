"""Work goes on for as long as somebody waits for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from tagnet.serving.leaving import unless_gone


def request(*messages: str) -> Request:
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.sleep(3600)
        return {"type": waiting.pop(0)}

    return Request({"type": "http"}, receive)


class Work:
    """Sleeps, and knows how it ended."""

    def __init__(self) -> None:
        self.ended = ""

    async def do(self, seconds: float) -> str:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise
        self.ended = "done"
        return "answer"


@pytest.mark.parametrize("messages", [(), ("http.request",)])
def test_a_client_that_stays_gets_its_answer(messages: tuple[str, ...]) -> None:
    assert asyncio.run(unless_gone(request(*messages), Work().do(0.01))) == "answer"


def test_a_client_that_goes_ends_the_work() -> None:
    work = Work()
    with pytest.raises(ClientDisconnect):
        asyncio.run(unless_gone(request("http.request", "http.disconnect"), work.do(60)))
    assert work.ended == "cancelled"


def test_who_is_cancelled_ends_the_work_too() -> None:
    work = Work()

    async def go() -> None:
        async with asyncio.timeout(0.01):
            await unless_gone(request(), work.do(60))

    with pytest.raises(TimeoutError):
        asyncio.run(go())
    assert work.ended == "cancelled"


def test_a_failure_is_passed_on() -> None:
    async def fail() -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        asyncio.run(unless_gone(request(), fail()))
