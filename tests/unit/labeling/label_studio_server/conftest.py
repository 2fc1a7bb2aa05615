"""A small Label Studio in this process, with the shapes that 1.23.2 was seen to have, and faults to choose."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tagnet.labeling.label_studio_server.connection import Connection

TOKEN = "0123456789abcdef0123456789abcdef01234567"
AT = "2026-11-02T10:00:00.000000Z"


@dataclass
class Fault:
    """What is answered in place of the truth to a request whose line holds some words."""

    words: str
    kind: str
    """`status`, `body` (any bytes), `drop` (no answer), `drop after` (it is done, and not answered), `cut` (half)."""
    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    location: str | None = None
    times: int = 1


@dataclass
class FakeStudio:
    """Projects, tasks and annotations in memory."""

    url: str = ""
    token: str = TOKEN
    page: int = 250
    """Tasks of a page, at most: a server may give fewer than were asked for."""
    projects: dict[int, dict[str, Any]] = field(default_factory=dict)
    tasks: dict[int, dict[str, Any]] = field(default_factory=dict)
    users: list[dict[str, Any]] = field(
        default_factory=lambda: [{"id": 1, "email": "ann@example.org"}, {"id": 2, "email": "ben@example.org"}]
    )
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Method and path of every request."""
    authorizations: list[str | None] = field(default_factory=list)

    def fault(self, words: str, kind: str, **more: Any) -> None:
        self.faults.append(Fault(words, kind, **more))

    def add_tasks(self, project: int, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            number = max(self.tasks, default=0) + 1
            self.tasks[number] = {
                "id": number,
                "project": project,
                "data": row["data"],
                "annotations": [],
                "drafts": [],
                "predictions": row.get("predictions", []),
            }

    def answer(self, task: int, tags: list[str] | None, who: int = 1, **more: Any) -> None:
        """Annotate a task; None skips it."""
        value = {"from_name": "tags", "to_name": "text", "type": "choices", "value": {"choices": tags}}
        annotation = {
            "id": 100 * task + len(self.tasks[task]["annotations"]),
            "completed_by": who,
            "was_cancelled": tags is None,
            "result": [value] if tags else [],
            "created_at": AT,
            "updated_at": AT,
            **more,
        }
        self.tasks[task]["annotations"].append(annotation)

    def of_record(self, identity: int | str) -> dict[str, Any]:
        """The one task of a record."""
        (found,) = [task for task in self.tasks.values() if task["data"].get("project_id") == identity]
        return found

    def handle(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        parts = path.strip("/").split("/")
        match method, parts:
            case "GET", ["api", "users"]:
                return 200, self.users
            case "GET", ["api", "projects"]:
                part = query.get("title", "").lower()
                found = [each for each in self.projects.values() if part in each["title"].lower()]
                page, size = int(query.get("page", 1)), int(query.get("page_size", 30))
                rows = [{"id": each["id"], "title": each["title"]} for each in found[(page - 1) * size : page * size]]
                more = f"{self.url}{path}?page={page + 1}" if page * size < len(found) else None
                return 200, {"count": len(found), "next": more, "previous": None, "results": rows}
            case "POST", ["api", "projects"]:
                number = max(self.projects, default=0) + 1
                self.projects[number] = {"id": number, "model_version": "", **body}
                return 201, self.projects[number]
            case "GET", ["api", "projects", number]:
                return 200, self.projects[int(number)]
            case "PATCH", ["api", "projects", number]:
                self.projects[int(number)].update(body)
                return 200, self.projects[int(number)]
            case "POST", ["api", "projects", number, "import"]:
                self.add_tasks(int(number), body)
                project = self.projects[int(number)]
                project["model_version"] = project["model_version"] or body[0]["predictions"][0]["model_version"]
                return 201, {"task_count": len(body), "annotation_count": 0, "prediction_count": len(body)}
            case "GET", ["api", "tasks"]:
                return 200, self._page(query)
            case "GET", ["api", "tasks", number] if int(number) in self.tasks:
                return 200, self.tasks[int(number)]
            case "DELETE", ["api", "tasks", number] if int(number) in self.tasks:
                del self.tasks[int(number)]
                return 204, None
        return 404, {"status_code": 404, "detail": "No such thing matches the given query."}

    def _page(self, query: dict[str, str]) -> dict[str, Any]:
        asked = json.loads(query["query"])
        assert asked["ordering"] == ["tasks:id"]
        (above,) = asked["filters"]["items"]
        assert (above["filter"], above["operator"], above["type"]) == ("filter:tasks:id", "greater", "Number")
        project = int(query["project"])
        found = [
            self.tasks[number]
            for number in sorted(self.tasks)
            if number > above["value"] and self.tasks[number]["project"] == project
        ]
        names = query["include"].split(",")
        return {
            "total_annotations": 0,
            "total_predictions": 0,
            "total": len(found),
            "tasks": [_shown(task, names) for task in found[: min(self.page, int(query["page_size"]))]],
        }


def _shown(task: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """A task with the named fields; what is not named is left out of annotations, too."""
    counts = {
        "total_annotations": sum(not each["was_cancelled"] for each in task["annotations"]),
        "cancelled_annotations": sum(each["was_cancelled"] for each in task["annotations"]),
        "draft_exists": bool(task["drafts"]),
    }
    annotations = [{key: each[key] for key in each if key in names} for each in task["annotations"]]
    whole = {**task, **counts, "annotations": annotations}
    return {key: each for key, each in whole.items() if key in names}


class _Handler(BaseHTTPRequestHandler):
    studio: FakeStudio

    def log_message(self, *args: object) -> None:
        pass

    def _serve(self) -> None:
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length", 0))
        content = self.rfile.read(length)
        body = json.loads(content) if content else None
        line = f"{self.command} {self.path}"
        studio = self.studio
        studio.asked.append(f"{self.command} {url.path}")
        studio.authorizations.append(self.headers.get("Authorization"))
        fault = next((each for each in studio.faults if each.words in line and each.times > 0), None)
        if fault is not None:
            fault.times -= 1
            if fault.kind == "drop":
                self._drop()
                return
            if fault.kind in ("status", "body"):
                self._send(fault.status, fault.body, fault.content_type, fault.location)
                return
        if self.headers.get("Authorization") != f"Token {studio.token}":
            said = {"status_code": 401, "detail": f"Invalid token {self.headers.get('Authorization')}."}
            self._send(401, json.dumps(said).encode())
            return
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        status, answer = studio.handle(self.command, url.path, query, body)
        if fault is not None and fault.kind == "drop after":
            self._drop()
            return
        self._send(status, b"" if answer is None else json.dumps(answer).encode(), cut=fault is not None)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve

    def _send(
        self, status: int, body: bytes, kind: str = "application/json", location: str | None = None, cut: bool = False
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if location is not None:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)

    def _drop(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.close_connection = True
        self.connection.close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, *args: object) -> None:
        """A connection that was dropped on purpose."""


@pytest.fixture
def studio() -> Iterator[FakeStudio]:
    made = FakeStudio()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"studio": made}))
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def connect(studio: FakeStudio, pauses: list[float]) -> Callable[..., Connection]:
    """Connections that pause for no time, and write down for how long they would have."""
    return lambda token=TOKEN: Connection(studio.url, token, pause=pauses.append)


@pytest.fixture
def connection(connect: Callable[..., Connection]) -> Connection:
    return connect()
