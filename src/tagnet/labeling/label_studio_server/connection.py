"""A thin client of Label Studio's REST API: JSON over HTTP, within bounds of time and size, with errors that say why.

Its own SDK wants opencv and an older numpy. Paths and answers are those of Label Studio 1.23.2
(https://api.labelstud.io). A token is either a legacy token (`Authorization: Token …`) or a personal access token, a
JWT that is exchanged for one that holds for minutes (https://labelstud.io/guide/access_tokens). It is held in memory
alone, and cut out of whatever a server says.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Literal

from tagnet.errors import ConfigError, LabelingError
from tagnet.records.json_files import describe, describe_fault

Method = Literal["GET", "POST", "PATCH", "DELETE"]

TIMEOUT_SECONDS = 120.0
"""Without a sign of the server: an import of many tasks takes it some seconds."""
MOST_BYTES = 1 << 29
"""Of one answer."""
_PAUSES = (0.5, 2.0, 5.0)
"""Seconds before a question that changes nothing is asked again."""
_ASK_AGAIN = frozenset({429, 502, 503, 504})
_PIECE = 1 << 20
_SHOWN = 300
"""Characters of what a server says that are shown."""


class _Refused(Exception):
    """An answer with a status that is no success."""

    def __init__(self, status: int, said: str, location: str | None) -> None:
        super().__init__(said)
        self.status = status
        self.said = said
        self.location = location


class _Unreachable(Exception):
    """No whole answer came."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token goes to the address that was named, and to no other."""

    def redirect_request(self, *args: Any, **more: Any) -> None:
        """Follow nothing."""


class Connection:
    """One server, and the token that it is asked with."""

    def __init__(self, url: str, token: str, *, pause: Callable[[float], object] = time.sleep) -> None:
        """Nothing is asked yet.

        Args:
            url: the server's address, such as `http://localhost:8080`.
            token: a legacy token, or a personal access token.
            pause: waits some seconds.

        Raises:
            ConfigError: the address is none.
        """
        self.url = _checked(url)
        self._token = token
        self._access: str | None = None
        self._pause = pause
        local = [urllib.request.ProxyHandler({})] if _is_local(self.url) else []
        self._opener = urllib.request.build_opener(_NoRedirect(), *local)

    def __repr__(self) -> str:
        return f"Connection({self.url!r})"

    def get(self, path: str, query: Mapping[str, str | int] | None = None) -> Any:
        """What the server says at a path; asked again where the connection breaks off, for nothing is changed by it.

        Raises:
            LabelingError: the server is down, refuses the token, or answers nonsense.
        """
        asked = path + ("?" + urllib.parse.urlencode(query) if query else "")
        for seconds in _PAUSES:
            try:
                return self._authorized("GET", asked, None)
            except _Unreachable:
                pass
            except _Refused as refused:
                if refused.status not in _ASK_AGAIN:
                    raise self._fault("GET", path, refused) from refused
            self._pause(seconds)
        return self._once("GET", asked, None)

    def post(self, path: str, body: object) -> Any:
        """Send something, once.

        Raises:
            LabelingError: as `get`; where the connection broke off, nobody knows whether the server took it.
        """
        return self._once("POST", path, body)

    def patch(self, path: str, body: object) -> Any:
        """Change something, once; raises as `post`."""
        return self._once("PATCH", path, body)

    def delete(self, path: str) -> None:
        """Take something away, once; raises as `post`."""
        self._once("DELETE", path, None)

    def _once(self, method: Method, path: str, body: object) -> Any:
        try:
            return self._authorized(method, path, body)
        except (_Refused, _Unreachable) as fault:
            raise self._fault(method, path.partition("?")[0], fault) from fault

    def _authorized(self, method: Method, path: str, body: object) -> Any:
        if not _is_jwt(self._token):
            return self._ask(method, path, body, f"Token {self._token}")
        if self._access is None:
            self._access = self._exchange()
        try:
            return self._ask(method, path, body, f"Bearer {self._access}")
        except _Refused as refused:
            if refused.status != 401:
                raise
            self._access = self._exchange()
            return self._ask(method, path, body, f"Bearer {self._access}")

    def _exchange(self) -> str:
        answer = self._ask("POST", "/api/token/refresh/", {"refresh": self._token}, None)
        access = answer.get("access") if isinstance(answer, Mapping) else None
        if not isinstance(access, str) or not _is_jwt(access):
            raise LabelingError(f"{self.url}/api/token/refresh/: expected a token that holds for minutes, found none")
        return access

    def _ask(self, method: Method, path: str, body: object, authorization: str | None) -> Any:
        headers = {"Accept": "application/json", "User-Agent": "tagnet"}
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url + path, content, headers, method=method)
        if authorization is not None:
            request.add_unredirected_header("Authorization", authorization)
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                kind = answer.headers.get_content_type()
                found = _read(answer)
                promised = answer.headers.get("Content-Length")
        except urllib.error.HTTPError as error:
            with error:
                raise _Refused(error.code, self._said(error), error.headers.get("Location")) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise _Unreachable(str(reason) or type(reason).__name__) from error
        if promised is not None and promised.isdecimal() and len(found) < min(int(promised), MOST_BYTES):
            raise _Unreachable(f"{len(found)} of {promised} bytes came")
        if method == "DELETE":
            return None
        return self._parsed(path.partition("?")[0], kind, found)

    def _parsed(self, path: str, kind: str, found: bytes) -> Any:
        if len(found) > MOST_BYTES:
            raise LabelingError(
                f"{self.url}{path}: expected an answer of at most {MOST_BYTES} bytes, found a larger one"
            )
        try:
            return json.loads(found)
        except (ValueError, RecursionError) as fault:
            what = "a page (text/html)" if kind == "text/html" else f"{describe_fault(fault)}, as {kind}"
            raise LabelingError(
                f"{self.url}{path}: expected JSON, found {what}\nIs {self.url} the address of Label Studio itself?"
            ) from fault

    def _said(self, error: urllib.error.HTTPError) -> str:
        """What stands in an answer that is no success, without the token, cut short."""
        try:
            text = error.read(1 << 16).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            return ""
        try:
            plain = json.loads(text)
        except (ValueError, RecursionError):
            return ""
        if not isinstance(plain, Mapping):
            return ""
        parts = [plain.get("detail"), plain.get("validation_errors")]
        words = [each if isinstance(each, str) else json.dumps(each) for each in parts if each]
        said = " ".join(" ".join(words).split())
        for secret in (self._token, self._access):
            said = said.replace(secret, "…") if secret else said
        return said[:_SHOWN]

    def _fault(self, method: Method, path: str, fault: _Refused | _Unreachable) -> LabelingError:
        place = f"{self.url}{path}"
        if isinstance(fault, _Unreachable):
            again = "" if method == "GET" else "\nRun the same command again: what has arrived is not sent twice."
            return LabelingError(f"{place}: expected an answer of Label Studio, found none ({fault}); is it up?{again}")
        said = f": {fault.said}" if fault.said else ""
        if fault.status in (401, 403):
            return LabelingError(
                f"{place}: the server refuses the token ({fault.status}{said})\nTake one from Account & Settings in "
                "Label Studio, and put it into LABEL_STUDIO_API_KEY, or into a file that --token-file names."
            )
        if 300 <= fault.status < 400:
            target = (fault.location or "nowhere").partition("?")[0][:_SHOWN]
            return LabelingError(f"{place}: expected an answer, found a redirect to {target}; name the right --url")
        hint = f"\nIs {self.url} the address of Label Studio itself?" if fault.status == 404 else ""
        return LabelingError(f"{place}: {method} has failed with status {fault.status}{said}{hint}")


def _read(answer: http.client.HTTPResponse) -> bytes:
    """A body, and at most a piece more than is allowed."""
    pieces: list[bytes] = []
    size = 0
    while size <= MOST_BYTES and (piece := answer.read(_PIECE)):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


def field(value: object, key: str, kind: type | tuple[type, ...], place: str) -> Any:
    """The value under a key of what a server answered.

    Raises:
        LabelingError: it is no object, or the value is missing or of another type.

    >>> field({"id": 3}, "id", int, "http://host/api")
    3
    """
    found = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(found, kind) or (isinstance(found, bool) and kind is int):
        kinds = " or ".join(each.__name__ for each in (kind if isinstance(kind, tuple) else (kind,)))
        raise LabelingError(
            f"{place}: expected an object of Label Studio, with {key} ({kinds}), found {describe(value)}\n"
            "Is it another server, or a version that tagnet does not know?"
        )
    return found


def _checked(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    try:
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or parts.username is not None or not url.isascii() or " " in url:
        raise ConfigError("--url: expected an address such as http://localhost:8080, without a user or a query")
    return url.rstrip("/")


def _is_local(url: str) -> bool:
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_jwt(token: str) -> bool:
    return token.count(".") == 2 and token.startswith("ey")
