"""`tagnet serve` as a process: answers are not mixed up, limits hold, a reload and a stop lose nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tagnet.bundle import read_bundle
from tagnet.prediction.onnx_tagger import OnnxTagger
from tagnet.training.fit import Run

Serve = Callable[..., "Server"]

JSON = {"Content-Type": "application/json"}


class Server:
    """A process that serves, and its address."""

    def __init__(self, process: subprocess.Popen[str], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.log = log

    def post(self, path: str, body: Any, **more: Any) -> httpx.Response:
        return httpx.post(self.url + path, json=body, timeout=30, **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return httpx.get(self.url + path, timeout=30, **more)

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(with_signal)
        return self.process.wait(timeout=60)

    def wait_for_log(self, words: str) -> None:
        for _ in range(600):
            if words in self.log.read_text():
                return
            time.sleep(0.05)
        raise AssertionError(f"{words!r} is not in the log:\n{self.log.read_text()}")


@pytest.fixture
def folder(exports: Path, tmp_path: Path) -> Path:
    shutil.copytree(exports / "one", tmp_path / "served")
    return tmp_path / "served"


@pytest.fixture
def serve(folder: Path, tmp_path: Path, repository: Path) -> Iterator[Serve]:
    running: list[subprocess.Popen[str]] = []

    def start(*words: str, bundle: Path = folder, **environment: str) -> Server:
        log = tmp_path / f"log-{len(running)}.txt"
        command = [sys.executable, "-m", "tagnet.cli.main", "serve", str(bundle), "--port", "0", "--threads", "1"]
        with log.open("w") as stream:
            process = subprocess.Popen(
                [*command, *words],
                stderr=stream,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": str(repository / "src"), **environment},
            )
        running.append(process)
        until = time.monotonic() + 240  # an export, on a machine that does other things too
        while "/ (Ctrl-C" not in (said := log.read_text()):
            assert process.poll() is None, said
            assert time.monotonic() < until, said
            time.sleep(0.05)
        return Server(process, int(said.rsplit(":", 1)[1].split("/")[0]), log)

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


WORDS = ("deep", "learning", "images", "text", "graphs", "sql", "engines", "pytorch", "transformers")


def records(count: int) -> list[dict[str, str]]:
    draw = random.Random(0)

    def words(most: int) -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(1, most)))

    return [{"title": words(9), "description": words(30)} for _ in range(count)]


def probabilities(result: dict[str, Any], tags: tuple[str, ...]) -> list[float]:
    of_tag = {each["tag"]: each["probability"] for each in result["tags"]}
    return [of_tag[tag] for tag in tags]


def test_answers_are_those_of_predict_whatever_their_batch(serve: Serve, folder: Path) -> None:
    server = serve()
    tagger = OnnxTagger.load(folder)
    asked = records(300)
    expected_NK = tagger.probabilities(asked)
    expected = tagger.to_predictions(expected_NK)
    sizes = [1, 2, 7, 30]
    draw = random.Random(1)
    picks = [draw.sample(range(300), k=draw.choice(sizes)) for _ in range(200)]

    def ask(pick: list[int]) -> None:
        answer = client.post(server.url + "/v1/tags", json={"records": [asked[i] for i in pick]})
        assert answer.status_code == 200
        results = answer.json()["results"]
        assert len(results) == len(pick)
        for i, result in zip(pick, results, strict=True):
            found_K = probabilities(result, tagger.tags)
            np.testing.assert_allclose(found_K, expected_NK[i], atol=1e-5, rtol=0)
            assert [t["probability"] for t in result["tags"]] == sorted(found_K, reverse=True)
            for tag in result["tags"]:
                (same,) = (p for p in expected[i] if p.tag == tag["tag"])
                assert tag["accepted"] == same.accepted or abs(same.probability - same.threshold) < 1e-5

    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(32) as pool:
        list(pool.map(ask, picks))
    figures = server.get("/metrics").text
    assert f'tagnet_requests_total{{route="/v1/tags",status="200"}} {len(picks)}.0' in figures


def test_predict_says_the_same(serve: Serve, folder: Path, tmp_path: Path, tagnet: Any) -> None:
    asked = records(20)
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"id": n, **each}) + "\n" for n, each in enumerate(asked)))
    code, _, err = tagnet("predict", str(folder), "--input", str(path), "--output", str(tmp_path / "out.jsonl"))
    assert code == 0, err
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    results = serve().post("/v1/tags", {"records": asked}).json()["results"]
    for line, result in zip(lines, results, strict=True):
        assert [t["tag"] for t in line["tags"]] == [t["tag"] for t in result["tags"]]
        for ours, theirs in zip(line["tags"], result["tags"], strict=True):
            assert ours["probability"] == pytest.approx(theirs["probability"], abs=1e-5)
            assert (ours["threshold"], ours["accepted"]) == (theirs["threshold"], theirs["accepted"])


def test_a_reload_in_the_middle_mixes_nothing(serve: Serve, folder: Path, exports: Path) -> None:
    server = serve()
    asked = records(40)
    expected = {}
    for name in ("one", "two"):
        tagger = OnnxTagger.load(exports / name)
        expected[tagger.described.model_version] = tagger.probabilities(asked)
    tags = tagger.tags
    versions: list[str] = []

    async def client(http: httpx.AsyncClient, until: float) -> None:
        draw = random.Random(until)
        while time.monotonic() < until:
            pick = draw.sample(range(40), k=5)
            answer = await http.post("/v1/tags", json={"records": [asked[i] for i in pick]})
            assert answer.status_code == 200, answer.text
            found = answer.json()
            versions.append(found["model_version"])
            expected_NK = expected[found["model_version"]]
            for i, result in zip(pick, found["results"], strict=True):
                np.testing.assert_allclose(probabilities(result, tags), expected_NK[i], atol=1e-5)

    async def go() -> None:
        until = time.monotonic() + 4
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            clients = [asyncio.ensure_future(client(http, until)) for _ in range(8)]
            await asyncio.sleep(1)
            folder.rename(folder.with_name("before"))
            shutil.copytree(exports / "two", folder)
            server.process.send_signal(signal.SIGHUP)
            await asyncio.gather(*clients)

    asyncio.run(go())
    assert set(versions) == set(expected)
    assert versions[0].startswith("one")
    assert versions[-1].startswith("two")


def test_a_damaged_folder_leaves_the_model_serving(serve: Serve, folder: Path) -> None:
    server = serve()
    before = server.get("/v1/labels").json()["model_version"]
    model = folder / "model.onnx"
    model.write_bytes(model.read_bytes()[:-100])
    server.process.send_signal(signal.SIGHUP)
    server.wait_for_log("not reloaded")
    assert server.post("/v1/tags", {"records": records(1)}).json()["model_version"] == before


def test_a_replaced_folder_is_noticed(serve: Serve, folder: Path, exports: Path) -> None:
    server = serve()
    folder.rename(folder.with_name("before"))
    shutil.copytree(exports / "two", folder)
    server.wait_for_log("reloaded: model two")
    assert server.get("/v1/labels").json()["model_version"].startswith("two")


def test_a_stop_finishes_what_is_in_flight_and_refuses_the_new(serve: Serve) -> None:
    server = serve("--max-queue", "4000", "--max-records", "4000", "--max-body", "10000000")
    long = {"records": [{"title": "word " * 200, "description": str(n)} for n in range(3000)]}

    async def go() -> None:
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
            await http.get("/health")
            in_flight = asyncio.ensure_future(http.post("/v1/tags", json=long))
            await asyncio.sleep(0.5)
            server.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.2)
            refused = await http.post("/v1/tags", json={"records": records(1)})
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "stopping"
            assert int(refused.headers["retry-after"]) > 0
            assert (await http.get("/ready")).status_code == 503
            answer = await in_flight
            assert answer.status_code == 200
            assert len(answer.json()["results"]) == 3000

    asyncio.run(go())
    assert server.process.wait(timeout=30) == 0
    assert "stopped" in server.log.read_text()
    assert "Traceback" not in server.log.read_text()


def test_a_token(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret-token\n")
    server = serve("--token-file", str(tmp_path / "token"))
    assert server.get("/ready").status_code == 200
    assert server.get("/v1/labels").status_code == 401
    header = {"Authorization": "Bearer s3cret-token"}
    assert server.get("/v1/labels", headers=header).status_code == 200
    assert server.post("/v1/reload", None, headers=header).json()["changed"] is False


def test_a_token_of_the_environment(serve: Serve) -> None:
    server = serve(TAGNET_TOKEN="s3cret-token")
    assert server.get("/v1/labels").status_code == 401
    assert "s3cret" not in server.log.read_text()


def test_annotations_survive_a_kill(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    server = serve("--annotations", str(path))
    (tag, *_) = [each["tag"] for each in server.get("/v1/labels").json()["tags"]]
    body = {"record": {"id": 5, "title": "t"}, "shown": [], "kept": [], "added": [tag], "removed": []}
    identity = server.post("/v1/annotations", body).json()["id"]
    server.process.kill()
    server.process.wait()
    (row,) = map(json.loads, path.read_text().splitlines())
    assert (row["id"], row["project_id"], row["added"]) == (identity, 5, [tag])


def talk(server: Server, *pieces: bytes, wait: float = 5.0) -> bytes:
    """Bytes over a connection of its own, and what comes back until the server closes it or says no more."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return heard(connection)


def heard(connection: socket.socket) -> bytes:
    """What comes until the other side closes, breaks off, or says no more."""
    said = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        while piece := connection.recv(65536):
            said += piece
    return said


def test_what_is_no_http_and_who_hangs_up(serve: Serve) -> None:
    server = serve("--max-body", "2000")
    assert talk(server, b"\x00\x01\x02 nonsense\r\n\r\n").startswith(b"HTTP/1.1 400")
    head = b"POST /v1/tags HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n"
    too_large = talk(server, head + b"content-length: 5000\r\n\r\n" + b"x" * 5000)
    assert too_large.startswith(b"HTTP/1.1 413")
    chunked = b"transfer-encoding: chunked\r\n\r\n" + b"3e8\r\n" + b"x" * 1000 + b"\r\n"
    assert talk(server, head + chunked, *[b"3e8\r\n" + b"x" * 1000 + b"\r\n"] * 2, b"0\r\n\r\n").startswith(
        b"HTTP/1.1 413"
    )
    for cut in (b"", b'{"rec', json.dumps({"records": records(1)}).encode()):
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
                connection.sendall(head + b"content-length: 1000\r\n\r\n" + cut)
    headers = talk(server, b"GET /health HTTP/1.1\r\n", *[b"x-%d: %s\r\n" % (n, b"y" * 30_000) for n in range(6)])
    assert headers == b"" or headers.startswith(b"HTTP/1.1 4")
    assert server.post("/v1/tags", {"records": records(3)}).status_code == 200
    time.sleep(0.3)
    assert "tagnet_requests_in_flight 1.0" in server.get("/metrics").text
    assert "Traceback" not in server.log.read_text()


def test_more_connections_than_allowed_are_told_so(folder: Path) -> None:
    from tagnet.serving.limits import Limits

    with running_here(folder, Limits(connections=3)) as port:
        idle = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(3)]
        time.sleep(0.2)
        with socket.create_connection(("127.0.0.1", port), timeout=5) as one_more:
            said = one_more.recv(65536)
        assert said.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 2" in said
        for each in idle:
            each.close()
        time.sleep(0.2)
        assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200


def test_requests_sent_ahead_are_bounded(folder: Path) -> None:
    from tagnet.serving.limits import Limits

    with running_here(folder, Limits()) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as eager:
            eager.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n" * 10)
            assert eager.recv(65536).startswith(b"HTTP/1.1 200")
        with socket.create_connection(("127.0.0.1", port), timeout=10) as flood:
            flood.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n" * 2000)
            assert heard(flood).count(b"HTTP/1.1 200") < 2000
        assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200


def test_slow_headers_and_clients_that_do_not_read_are_ended(folder: Path) -> None:
    from tagnet.serving.limits import Limits

    with running_here(folder, Limits(header_seconds=0.5, taken_seconds=0.5)) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as slow:
            slow.sendall(b"GET /health HTT")
            begun = time.monotonic()
            assert slow.recv(100) == b""
            assert time.monotonic() - begun < 5
        body = json.dumps({"records": [{"title": "a"}] * 256}).encode()
        size = len(httpx.post(f"http://127.0.0.1:{port}/v1/tags", content=body, headers=JSON).content)
        request = b"POST /v1/tags HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            deaf.settimeout(20)
            deaf.connect(("127.0.0.1", port))
            count = 16_000_000 // size
            deaf.sendall((request % len(body) + body) * min(count, 30))
            time.sleep(4)
            assert len(heard(deaf)) < size * min(count, 30)
        assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200


class running_here:
    """A server in a thread, with limits that no option names."""

    def __init__(self, folder: Path, limits: Any) -> None:
        from tagnet.serving.app import Settings, build_app
        from tagnet.serving.engine import load_engine
        from tagnet.serving.server import make_server

        self._ports: list[int] = []
        guard = build_app(Settings(folder, lambda path: load_engine(path, 1), limits))
        self._server = make_server(guard, "127.0.0.1", 0, limits, self._ports.append)

    def __enter__(self) -> int:
        import threading

        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._ports:
            time.sleep(0.01)
        return self._ports[0]

    def __exit__(self, *error: object) -> None:
        self._server.handle_exit(signal.SIGTERM, None)
        self._thread.join(timeout=30)
        assert not self._thread.is_alive()


def test_a_bundle_is_exported_once(serve: Serve, small_run: Run, tmp_path: Path) -> None:
    bundle = small_run.dir / "bundle"
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    first = serve(bundle=bundle, **cache)
    assert "exporting the bundle to ONNX, once" in first.log.read_text()
    assert first.post("/v1/tags", {"records": records(2)}).json()["model_version"] == read_bundle(bundle).fingerprint
    assert first.stop() == 0
    assert "exporting" not in serve(bundle=bundle, **cache).log.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--token-file", "absent"], "--token-file absent: cannot be read"),
        (["--host", "203.0.113.1"], "--host 203.0.113.1 --port 0: cannot be listened on"),
    ],
)
def test_what_cannot_be_is_one_clear_error(words: list[str], message: str, folder: Path, tagnet: Any) -> None:
    code, out, err = tagnet("serve", str(folder), "--port", "0", *words)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_no_model_at_all(tmp_path: Path, tagnet: Any) -> None:
    code, _, err = tagnet("serve", str(tmp_path))
    assert code == 2
    assert f"{tmp_path}: expected a bundle" in err
