"""What holds for every request, whatever it asks: the token, the stop, the headers, the count, and no stack traces."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import secrets
import time

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tagnet.serving.metrics import Metrics
from tagnet.serving.refusal import Refusal, json_response, refusal_body
from tagnet.serving.static_page import page_paths

_LOG = logging.getLogger("tagnet.serving")

_FREE = frozenset({"/health", "/ready"}) | page_paths()
"""What needs no token: probes, and the page, which asks for one."""
_UNTIL_THE_END = frozenset({"/health", "/ready", "/metrics"})
"""What is answered while the server stops."""
_ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


class Guard:
    """An ASGI application around another."""

    def __init__(self, app: ASGIApp, metrics: Metrics, token: str | None, *, basic: bool = False) -> None:
        """Around an application.

        Args:
            app: the application.
            metrics: what requests are counted in.
            token: what clients have to send; None: nothing.
            basic: the token is taken as the password of Basic authentication, too: Label Studio sends no other.
        """
        self._app = app
        self._metrics = metrics
        self.routes: frozenset[str] = frozenset()
        """Paths that are counted by name; a client could make up any number of others."""
        self._basic = basic
        self._token_hash = None if token is None else _hash(token.encode())
        self.in_flight = 0
        self.stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        start = time.perf_counter()
        status = 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_ALWAYS]
                if self.stopping:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        self.in_flight += 1
        self._metrics.in_flight.set(self.in_flight)
        try:
            refused = self._refusal(path, scope)
            if refused is not None:
                await refused(scope, receive, send_on)
            else:
                await self._app(scope, receive, send_on)
        except Exception:
            if not status:
                await failed()(scope, receive, send_on)
            elif status != 500:  # 500: said and logged already, further in
                _LOG.exception("an answer broke off")
                raise
        finally:
            self.in_flight -= 1
            self._metrics.in_flight.set(self.in_flight)
            route = path if path in self.routes else "other"
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - start)

    def _refusal(self, path: str, scope: Scope) -> Response | None:
        if self.stopping and path not in _UNTIL_THE_END:
            return Refusal(
                503, "stopping", "this server is about to stop; ask another, or try again", retry_after=5
            ).response()
        if self._token_hash is not None and path not in _FREE and not self._has_token(scope):
            refusal = Refusal(401, "no_token", "send the header Authorization: Bearer TOKEN")
            return refusal.response({"WWW-Authenticate": "Bearer"})
        return None

    def _has_token(self, scope: Scope) -> bool:
        assert self._token_hash is not None
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        kind, _, token = given.partition(b" ")
        if self._basic and kind.lower() == b"basic":
            kind, token = b"bearer", _password(token)
        # Hashes have one length, whatever was sent.
        return kind.lower() == b"bearer" and hmac.compare_digest(_hash(token.strip()), self._token_hash)


def failed() -> Response:
    """The answer to a request whose handler has failed, called where the exception is at hand: it is for the log."""
    identity = secrets.token_hex(6)
    _LOG.exception("request %s failed", identity)
    message = f"the server failed; its log says why under the id {identity}"
    return json_response(refusal_body("internal", message), 500)


def _password(credentials: bytes) -> bytes:
    """The password of Basic authentication, nothing where there is none.

    >>> import base64
    >>> _password(base64.b64encode(b"label-studio:secret")), _password(b"?")
    (b'secret', b'')
    """
    try:
        return base64.b64decode(credentials, validate=True).partition(b":")[2]
    except ValueError:
        return b""


def _hash(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
