"""The real Label Studio, in an environment of its own, and a proxy that cuts connections."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any, Literal

import pytest

VERSION = "1.23.2"
ADMIN, ADMIN_TOKEN = "ann@example.org", "0123456789abcdef0123456789abcdef01234567"
_PATIENCE = 900
"""Seconds; a busy machine takes much longer than a free one."""
_START = "from label_studio.server import main; main()"
_NO_REGISTRY = ("No matching distribution", "Connection", "Temporary failure", "ProxyError", "timed out", "SSLError")


class NoRegistry(Exception):
    """The package registry cannot be reached."""


def environment() -> Path:
    """The Python of an environment with Label Studio, which is made once and kept.

    Raises:
        NoRegistry: it is not there yet, and what it needs cannot be downloaded.
    """
    cache = Path(os.environ.get("TAGNET_TEST_CACHE", Path.home() / ".cache" / "tagnet-tests"))
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"label-studio-{VERSION}"
    python = folder / "bin" / "python"
    with (cache / f"label-studio-{VERSION}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").is_file():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, env=_plain())
            words = [str(python), "-m", "pip", "install", "--quiet", f"label-studio=={VERSION}"]
            done = subprocess.run(words, capture_output=True, text=True, env=_plain())
            if done.returncode:
                if any(word in done.stderr for word in _NO_REGISTRY):
                    raise NoRegistry(f"Label Studio cannot be installed: {done.stderr.strip()[-300:]}")
                raise AssertionError(done.stderr)
            (folder / "complete").touch()
    return python


def _plain() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


@dataclass
class Studio:
    """A running server, asked as its users ask it."""

    url: str

    def ask(self, method: str, path: str, body: Any = None, token: str = ADMIN_TOKEN) -> Any:
        """The parsed answer; a status that is no success raises."""
        request = urllib.request.Request(
            self.url + path,
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": f"Token {token}"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
                found = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from error
        return json.loads(found) if found else None

    def number(self, title: str) -> int:
        """The number of the one project of a title."""
        (found,) = self.ask("GET", f"/api/projects/?{urllib.parse.urlencode({'title': title})}")["results"]
        return int(found["id"])

    def tasks(self, title: str) -> list[dict[str, Any]]:
        """Number and data of all tasks of a project."""
        number, page, found = self.number(title), 1, []
        while True:
            asked = {"project": number, "page": page, "page_size": 500, "include": "id,data"}
            answer = self.ask("GET", f"/api/tasks/?{urllib.parse.urlencode(asked)}")
            found += answer["tasks"]
            if len(found) >= answer["total"]:
                return found
            page += 1

    def answer(self, task: int, tags: list[str] | None, token: str = ADMIN_TOKEN) -> None:
        """Annotate a task; None skips it."""
        value = {"from_name": "tags", "to_name": "text", "type": "choices", "value": {"choices": tags}}
        body = {"result": [value] if tags else [], "was_cancelled": tags is None, "lead_time": 2.5}
        self.ask("POST", f"/api/tasks/{task}/annotations/", body, token)

    def sign_up(self, email: str) -> str:
        """A new member of the organization, and the token."""
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        address = f"{self.url}/user/signup/"
        with opener.open(address) as answer:
            found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', answer.read().decode())
        assert found is not None
        form = {"csrfmiddlewaretoken": found[1], "email": email, "password": "a-secret-2", "allow_newsletters": "false"}
        request = urllib.request.Request(address, urllib.parse.urlencode(form).encode(), {"Referer": address})
        opener.open(request).close()
        with opener.open(f"{self.url}/api/current-user/token") as answer:
            return str(json.load(answer)["token"])


@contextlib.contextmanager
def running(python: Path, folder: Path) -> Iterator[Studio]:
    """A server on loopback, with a database of its own in a folder."""
    port = free_port()
    words = ["start", "--no-browser", "--internal-host", "127.0.0.1", "-p", str(port), "--data-dir", str(folder)]
    words += ["--username", ADMIN, "--password", "a-secret-1", "--user-token", ADMIN_TOKEN, "--enable-legacy-api-token"]
    settings = {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "COLLECT_ANALYTICS": "0",
        "LATEST_VERSION_CHECK": "0",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        # Else addresses on loopback are refused, as ML backends and as webhooks.
        "SSRF_PROTECTION_ENABLED": "false",
        "ML_BLOCK_LOCAL_IP": "false",
        # A second is little on a machine that has much to do.
        "WEBHOOK_TIMEOUT": "20",
        "ML_CONNECTION_TIMEOUT": "20",
        "ML_TIMEOUT_HEALTH": "20",
        "ML_TIMEOUT_SETUP": "20",
    }
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "server.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [str(python), "-c", _START, *words],
            stdout=stream,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env=_plain() | settings,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, process, log)
        yield Studio(url)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(2 * _PATIENCE):
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"Label Studio does not start:\n{log.read_text(errors='replace')[-3000:]}")


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _nothing() -> None:
    pass


Where = Literal["in the question", "before the answer", "in the answer"]


@dataclass
class Cut:
    """What a proxy does once, to the `nth` request whose first line holds some words."""

    words: str
    nth: int
    where: Where
    then: Callable[[], object]
    """Called at that moment, with the connection still open to both sides."""
    times: int
    done: int = field(default=0, init=False)
    seen: int = field(default=0, init=False)


class Proxy:
    """Passes connections on, and cuts those that it is told to."""

    def __init__(self, target: str) -> None:
        self._target = urllib.parse.urlsplit(target)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.cuts: list[Cut] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, words: str, nth: int, where: Where, *, times: int = 1, then: Callable[[], object] = _nothing) -> None:
        """Cut a connection, in place of what was to be cut before."""
        self.cuts = [Cut(words, nth, where, then, times)]

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                some = client.recv(65536)
                if not some:
                    return
                head += some
            cut = self._cut_for(head.partition(b"\r\n")[0].decode("latin-1"))
            server = socket.create_connection((self._target.hostname or "", self._target.port or 80))
            with server:
                self._pass(client, server, head, cut)

    def _cut_for(self, line: str) -> Cut | None:
        with self._lock:
            for cut in self.cuts:
                if cut.words in line and cut.done < cut.times:
                    cut.seen += 1
                    if cut.seen >= cut.nth:
                        cut.done += 1
                        return cut
        return None

    def _pass(self, client: socket.socket, server: socket.socket, head: bytes, cut: Cut | None) -> None:
        found = re.search(rb"(?i)content-length: *(\d+)", head)
        left = (int(found[1]) if found else 0) - (len(head) - head.index(b"\r\n\r\n") - 4)
        whole = left
        server.sendall(head)
        while left > 0:
            some = client.recv(min(65536, left))
            if not some:
                return
            server.sendall(some)
            left -= len(some)
            if cut is not None and cut.where == "in the question" and left < whole / 2:
                cut.then()
                return
        if cut is not None and cut.where == "before the answer":
            cut.then()
            _reset(client)
            with contextlib.suppress(OSError):
                while server.recv(65536):  # the server finishes what it was asked for; nobody hears of it
                    pass
            return
        passed = 0
        while some := server.recv(65536):
            passed += len(some)
            if cut is not None and cut.where == "in the answer" and passed > 2000:
                client.sendall(some[: len(some) // 2])
                cut.then()
                _reset(client)
                return
            client.sendall(some)


def _reset(connection: socket.socket) -> None:
    """End a connection as a broken network does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A running server."""
    try:
        python = environment()
    except NoRegistry as reason:
        pytest.skip(str(reason))
    with running(python, tmp_path_factory.mktemp("label-studio")) as server:
        yield server


@pytest.fixture
def proxy(studio: Studio) -> Iterator[Proxy]:
    """A way to it that can be cut."""
    made = Proxy(studio.url)
    yield made
    made.close()


@pytest.fixture
def start(repository: Path, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """`tagnet label` as a process of its own."""

    def run(*words: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tagnet.cli.main", "label", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(repository / "src"), "LABEL_STUDIO_API_KEY": ADMIN_TOKEN},
        )

    return run


@pytest.fixture
def ends(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., str]:
    """A command of `tagnet label` that ends with a code; what it said."""

    def run(code: int, *words: object) -> str:
        process = start(*words)
        out, err = process.communicate(timeout=_PATIENCE)
        said = out + err
        assert process.returncode == code, said
        assert ADMIN_TOKEN not in said
        assert "Traceback" not in said
        if code:
            assert 1 <= len(said[said.index("error: ") :].strip().splitlines()) <= 3, said
        return said

    return run


@pytest.fixture
def is_killed(start: Callable[..., subprocess.Popen[str]], proxy: Proxy) -> Callable[..., None]:
    """Start a command that goes through the proxy, and kill it at the moment of a cut."""

    def run(cut: str, nth: int, where: Where, *words: object) -> None:
        running: list[subprocess.Popen[str]] = []
        proxy.cut(cut, nth, where, then=lambda: running[0].send_signal(signal.SIGKILL))
        running.append(start(*words))
        running[0].communicate(timeout=_PATIENCE)
        assert running[0].returncode == -signal.SIGKILL

    return run
