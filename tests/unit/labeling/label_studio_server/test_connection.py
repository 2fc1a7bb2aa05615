"""What a server can do wrong is one clear error, and the token is nowhere in it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from tagnet.errors import ConfigError, LabelingError
from tagnet.labeling.label_studio_server.connection import Connection, field

PATH = "/api/users/"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCJ9.c2lnbmF0dXJl"
ACCESS = "eyJhbGciOiJIUzI1NiJ9.eyJ0b2tlbl90eXBlIjoiYWNjZXNzIn0.c2lnbmF0dXJl"


def test_json_comes_back(studio: Any, connection: Connection) -> None:
    assert connection.get(PATH) == studio.users
    assert studio.authorizations == [f"Token {studio.token}"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            {"kind": "body", "body": b"<html>", "content_type": "text/html"},
            r"expected JSON, found a page \(text/html\)",
        ),
        ({"kind": "body", "body": b'{"a": '}, "expected JSON, found broken JSON at line 1, column 7"),
        ({"kind": "body", "body": b"[" * 100_000}, "nested too deeply"),
        ({"kind": "body", "body": b"\xff\xfe\x00"}, "expected JSON"),
        ({"kind": "status", "status": 500, "body": b"<html>Traceback"}, "GET has failed with status 500$"),
        ({"kind": "status", "status": 400, "body": b'{"detail": "Bad <b>"}'}, "failed with status 400: Bad <b>"),
        ({"kind": "status", "status": 404, "body": b""}, "status 404\nIs http://.* the address of Label Studio itself"),
        ({"kind": "status", "status": 403, "body": b'{"detail": "No."}'}, r"refuses the token \(403: No.\)"),
        (
            {"kind": "status", "status": 302, "location": "https://other/user/login/?next=/api", "body": b""},
            "found a redirect to https://other/user/login/; name the right --url",
        ),
    ],
)
def test_nonsense(studio: Any, connection: Connection, pauses: list[float], fault: dict[str, Any], said: str) -> None:
    studio.fault(PATH, **fault)
    with pytest.raises(LabelingError, match=said) as error:
        connection.get(PATH)
    message = str(error.value)
    assert 1 <= len(message.splitlines()) <= 3
    assert "Traceback" not in message
    assert len(studio.asked) == 1
    assert pauses == []


def test_a_wrong_token_is_not_shown(connect: Callable[..., Connection]) -> None:
    with pytest.raises(
        LabelingError, match=r"refuses the token \(401: Invalid token Token ….\)\nTake one from"
    ) as error:
        connect("wrong-secret").get(PATH)
    assert "wrong-secret" not in str(error.value)
    assert "wrong-secret" not in repr(connect("wrong-secret"))


@pytest.mark.parametrize("kind", ["drop", "cut"])
def test_a_question_is_asked_again(studio: Any, connection: Connection, pauses: list[float], kind: str) -> None:
    studio.fault(PATH, kind, times=3)
    assert connection.get(PATH) == studio.users
    assert len(pauses) == 3
    studio.fault(PATH, kind, times=4)
    with pytest.raises(LabelingError, match=r"expected an answer of Label Studio, found none .*is it up"):
        connection.get(PATH)


def test_a_server_that_is_busy_is_asked_again(studio: Any, connection: Connection, pauses: list[float]) -> None:
    studio.fault(PATH, "status", status=503)
    studio.fault(PATH, "status", status=429)
    assert connection.get(PATH) == studio.users
    assert len(pauses) == 2


@pytest.mark.parametrize("kind", ["drop", "drop after", "cut"])
def test_what_changes_something_is_sent_once(studio: Any, connection: Connection, kind: str) -> None:
    studio.fault("POST", kind, times=9)
    with pytest.raises(
        LabelingError, match=r"found none .*\nRun the same command again: what has arrived is not sent twice"
    ):
        connection.post("/api/projects/", {"title": "One", "label_config": ""})
    assert studio.asked == ["POST /api/projects/"]


def test_an_answer_without_end(studio: Any, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagnet.labeling.label_studio_server.connection.MOST_BYTES", 1000)
    studio.fault(PATH, "body", body=b"[" + b" " * 5000 + b"]")
    with pytest.raises(LabelingError, match="expected an answer of at most 1000 bytes"):
        connection.get(PATH)


def test_nobody_listens(pauses: list[float]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        connection = Connection(f"http://127.0.0.1:{taken.getsockname()[1]}", "t", pause=pauses.append)
        with pytest.raises(LabelingError, match=r"Connection refused.*is it up"):
            connection.get(PATH)


def test_a_personal_token_is_exchanged_and_again_when_it_has_run_out(
    studio: Any, connect: Callable[..., Connection]
) -> None:
    access = f'{{"access": "{ACCESS}"}}'.encode()
    connection = connect(JWT)
    studio.fault("/api/token/refresh/", "body", body=access, times=2)
    studio.fault(PATH, "body", body=b"[1]")
    assert connection.get(PATH) == [1]
    studio.fault(PATH, "status", status=401)
    studio.fault(PATH, "body", body=b"[2]")
    assert connection.get(PATH) == [2]
    assert studio.authorizations == [None, *[f"Bearer {ACCESS}"] * 2, None, f"Bearer {ACCESS}"]
    studio.fault("/api/token/refresh/", "body", body=b"{}")
    with pytest.raises(LabelingError, match="expected a token that holds for minutes, found none"):
        connect(JWT).get(PATH)
    studio.fault("/api/token/refresh/", "status", status=401, body=b'{"detail": "Token is invalid"}')
    with pytest.raises(LabelingError, match="refuses the token"):
        connect(JWT).get(PATH)


@pytest.mark.parametrize(
    "url", ["", "localhost:8080", "ftp://host", "http://", "http://u:p@host", "http://h?a=b", "http://h:x"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ConfigError, match="--url: expected an address such as"):
        Connection(url, "t")


def test_a_key_of_another_type() -> None:
    values: list[object] = [None, [], {}, {"id": "3"}, {"id": True}]
    for value in values:
        with pytest.raises(LabelingError, match=r"place: expected an object of Label Studio, with id \(int\)"):
            field(value, "id", int, "place")
