"""What a client is told when it gets no answer: a status, a code for programs, and a sentence that says what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.responses import Response


class Refusal(Exception):
    """A request that is not answered, for a reason that the client may know."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """The refusal as an answer."""
        more = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return json_response(refusal_body(self.code, self.message), self.status, {**more, **(headers or {})})


def refuse_more(found: int, most: int, what: str) -> None:
    """Refuse a request that asks for too much at a time.

    Raises:
        Refusal: there are more than `most`.

    >>> refuse_more(3, 2, "records")
    Traceback (most recent call last):
    tagnet.serving.refusal.Refusal: found 3 records; send at most 2 at a time
    """
    if found > most:
        raise Refusal(413, f"too_many_{what}", f"found {found} {what}; send at most {most} at a time")


def refusal_body(code: str, message: str) -> bytes:
    r"""The body of a refusal.

    >>> refusal_body("not_found", "there is no such path")
    b'{"error": {"code": "not_found", "message": "there is no such path"}}'
    """
    return json.dumps({"error": {"code": code, "message": message}}, ensure_ascii=False).encode("utf-8", "replace")


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Bytes that are JSON already, as an answer."""
    return Response(body, status, headers=headers, media_type="application/json")
