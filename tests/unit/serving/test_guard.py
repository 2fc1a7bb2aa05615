"""What holds for every request: the token, the stop, the headers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tagnet.serving.static_page import page_paths

Start = Callable[..., Any]


@pytest.mark.parametrize("header", [{}, {"authorization": "Bearer wrong"}, {"authorization": "Basic secret-token"}])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/tags"), ("GET", "/v1/labels"), ("GET", "/metrics"), ("GET", "/openapi.json")]
)
def test_without_the_token_nothing_is_said(start: Start, header: dict[str, str], method: str, path: str) -> None:
    answer = start(token="secret-token")(method, path, {}, **header)
    assert answer.error == (401, "no_token")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_with_the_token_all_is_as_without_one(start: Start) -> None:
    asker = start(token="secret-token")
    assert asker("GET", "/v1/labels", authorization="Bearer secret-token").status == 200
    assert asker("GET", "/v1/labels", authorization="bearer  secret-token ").status == 200


@pytest.mark.parametrize("path", ["/health", "/ready", *sorted(page_paths())])
def test_probes_and_the_page_need_none(start: Start, path: str) -> None:
    assert start(token="secret-token")("GET", path).status == 200


def test_a_server_that_stops_says_so(start: Start) -> None:
    asker = start()
    asker.guard.stopping = True
    answer = asker("POST", "/v1/tags", {"records": [{"title": "t"}]})
    assert answer.error == (503, "stopping")
    assert answer.headers["retry-after"] == "5"
    assert answer.headers["connection"] == "close"
    assert asker("GET", "/health").status == 200
    assert asker("GET", "/ready").error == (503, "stopping")


def test_headers_that_are_always_there(start: Start) -> None:
    asker = start()
    for path in ("/", "/v1/labels", "/nowhere"):
        headers = asker("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
