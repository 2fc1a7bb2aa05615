"""A request's body: read within bounds of size and time, then checked."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from tagnet.serving.limits import Limits
from tagnet.serving.refusal import Refusal

RequestT = TypeVar("RequestT", bound=BaseModel)

_SHOWN_FAULTS = 3
_READ_PAST = 8
"""A body that is too large is read on, up to that many times its limit, so that the client hears why."""


class Bodies:
    """Reads bodies, and knows how much of them is held at one time."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._held = 0

    async def read(self, request: Request, model: type[RequestT]) -> RequestT:
        """The request that a JSON body holds.

        Raises:
            Refusal: it is no JSON, is too large, comes too slowly, or does not fit.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refusal(415, "not_json", "send JSON, with the header Content-Type: application/json")
        return parse(await self._read(request), model)

    async def _read(self, request: Request) -> bytes:
        limits = self.limits
        most = min(limits.body_bytes, limits.bodies_bytes)
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(limits.body_seconds):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > most:
                        self._held -= sum(map(len, chunks))
                        chunks.clear()
                        if size > _READ_PAST * most:
                            break
                        continue
                    if self._held + len(chunk) > limits.bodies_bytes:
                        raise Refusal(
                            503, "too_many_bodies", "the server holds too many requests; try again", retry_after=2
                        )
                    self._held += len(chunk)
                    chunks.append(chunk)
        except TimeoutError as error:
            raise Refusal(
                408, "body_too_slow", f"the body did not arrive within {limits.body_seconds:g} seconds; send it again"
            ) from error
        finally:
            self._held -= sum(map(len, chunks))
        if size > most:
            raise Refusal(
                413,
                "body_too_large",
                f"the body is larger than {most} bytes; send fewer or shorter records in one request",
            )
        return b"".join(chunks)


def parse(body: bytes, model: type[RequestT]) -> RequestT:
    """JSON, checked.

    Raises:
        Refusal: it does not fit; the message names the place.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        said = [f"{_place(fault['loc'])}{fault['msg']}" for fault in faults[:_SHOWN_FAULTS]]
        more = f"; and {len(faults) - _SHOWN_FAULTS} more faults" if len(faults) > _SHOWN_FAULTS else ""
        raise Refusal(422, "not_valid", "; ".join(said) + more) from error


def _place(location: tuple[int | str, ...]) -> str:
    """Where in the body, cut short: its keys are the client's."""
    words = ".".join(str(each)[:60] for each in location)
    return f"{words}: " if words else ""
