"""The API under requests that nobody meant: made from its own document, and broken byte by byte. No 500, no hang."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

MUTATED = int(os.environ.get("TAGNET_MUTATED_BODIES", "10000"))
ALLOWED = {200, 201, 400, 404, 405, 408, 411, 413, 414, 415, 422, 429, 431, 503}

STRANGE = [b"null", b"-1", b"1e999", b"NaN", b'"\\ud800"', b"[]", b"{}", b"true", b"9" * 400, b'"\\u0000"', b"[[["]


@pytest.fixture(scope="module")
def server(exports: Path, tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[str]:
    home = tmp_path_factory.mktemp("fuzz")
    log = home / "log.txt"
    command = [sys.executable, "-m", "tagnet.cli.main", "serve", str(exports / "one"), "--port", "0", "--threads", "1"]
    with log.open("w") as stream:
        process = subprocess.Popen(
            [*command, "--annotations", str(home / "answers.jsonl")],
            stderr=stream,
            env={**os.environ, "PYTHONPATH": str(repository / "src")},
        )
    while "/ (Ctrl-C" not in log.read_text():
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    address = "http" + log.read_text().rsplit("http", 1)[1].split("/ (")[0]
    yield address
    assert httpx.get(address + "/health").status_code == 200
    process.terminate()
    assert process.wait(timeout=60) == 0
    assert "Traceback" not in log.read_text()


@pytest.mark.slow
def test_requests_made_from_the_document(server: str, tmp_path: Path, repository: Path) -> None:
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{server}/openapi.json"),
            *("--checks", checks, "--max-examples", "100", "--seed", "1", "--no-color", "--request-timeout", "20"),
            *("--generation-database", "none"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


def mutate(body: bytes, draw: random.Random) -> bytes:
    """A body with a few bytes changed, cut, doubled, or put elsewhere."""
    found = bytearray(body)
    for _ in range(draw.randint(1, 5)):
        at = draw.randrange(len(found) + 1)
        end = min(len(found), at + draw.randint(1, 12))
        kind = draw.randrange(6)
        if kind == 0:
            del found[at:end]
        elif kind == 1:
            found[at:at] = draw.randbytes(draw.randint(1, 6))
        elif kind == 2:
            found[at:at] = found[at:end] * draw.randint(1, 30)
        elif kind == 3:
            found[at:end] = draw.choice(STRANGE)
        elif kind == 4:
            found = bytearray(
                bytes(found).replace(draw.choice([b'"', b":", b",", b"}", b"["]), draw.choice([b"", b"{"]))
            )
        elif found:
            found[at % len(found)] ^= 1 << draw.randrange(8)
    return bytes(found)


@pytest.mark.slow
def test_mutated_bodies(server: str) -> None:
    labels = httpx.get(server + "/v1/labels").json()
    tag = labels["tags"][0]["tag"]
    record = {"title": "A tiny SQL engine", "description": "joins, and windows"}
    seeds = {
        "/v1/tags": {"records": [record, record], "top": 3},
        "/v1/explain": {"record": record, "tags": [tag]},
        "/v1/annotations": {
            "record": {"id": 1, **record},
            "shown": [{"tag": tag, "probability": 0.5, "source": "model"}],
            "kept": [tag],
            "added": [],
            "removed": [],
        },
    }
    draw = random.Random(5)
    bodies = [(path, mutate(json.dumps(seeds[path]).encode(), draw)) for path in draw.choices(list(seeds), k=MUTATED)]
    seen: dict[int, int] = {}

    async def client(http: httpx.AsyncClient, waiting: Iterator[tuple[str, bytes]]) -> None:
        for path, body in waiting:
            answer = await http.post(path, content=body, headers={"Content-Type": "application/json"})
            seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
            assert answer.status_code in ALLOWED, (path, body, answer.text)
            answer.json()

    async def go() -> None:
        waiting = iter(bodies)
        async with httpx.AsyncClient(base_url=server, timeout=20) as http:
            await asyncio.gather(*(client(http, waiting) for _ in range(16)))

    asyncio.run(go())
    assert sum(seen.values()) == MUTATED
    assert seen[200] > MUTATED / 100
    assert seen[422] > MUTATED / 3
