"""A server in this process: its application is asked as uvicorn would ask it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tagnet.bundle import TextSettings
from tagnet.calibration.rule import DecisionRule
from tagnet.data.tokens import TokenizedTexts
from tagnet.prediction.onnx_folder import OnnxFolder
from tagnet.records.taxonomy import build_taxonomy
from tagnet.serving.app import Settings, build_app
from tagnet.serving.engine import Engine
from tagnet.serving.guard import Guard


class Lengths:
    """A model that says of a text how long it is, so that every answer can be told from every other."""

    def __init__(self, version: str = "v1", features: tuple[str, ...] = ("title", "description")) -> None:
        self.batches: list[int] = []
        self.fails = False
        self.hold: Callable[[], object] = lambda: None
        taxonomy = build_taxonomy([{"tag": "long", "aliases": ["tall"], "parents": ["size"]}, {"tag": "size"}], "x")
        self.described = OnnxFolder(
            folder=Path("nowhere"),
            rule=DecisionRule(("short", "long"), 1.0, np.zeros(2), np.array([0.5, 0.25]), "none", "fixed"),
            text=TextSettings(" ".join(f"{{{name}}}" for name in features), features, {}, 512, None),
            pad_id=0,
            taxonomy=taxonomy,
            train_counts={"short": 3, "long": 5},
            precision="float32",
            model_version=version,
        )

    def tokenize(self, inputs: Sequence[Mapping[str, str]]) -> TokenizedTexts:
        lengths_N = [sum(map(len, each.values())) for each in inputs]
        starts = np.cumsum([0, *lengths_N])
        one_each = np.arange(len(inputs) + 1)
        return TokenizedTexts(
            np.zeros(starts[-1], np.int32), starts, one_each, np.zeros(len(inputs), np.bool_), max_tokens=10**9
        )

    def decide(self, tokens: TokenizedTexts, *, batch_size: int = 64) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        self.hold()
        if self.fails:
            raise RuntimeError("onnxruntime has lost its way in /secret/path")
        self.batches.append(len(tokens))
        probs_N = tokens.lengths_N / 1000
        probs_NK = np.stack([1 - probs_N, probs_N], axis=1)
        return probs_NK, self.described.rule.accept(probs_NK)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str]:
        return self.status, self.json["error"]["code"]


class Asker:
    """Asks an application, whose lifespan is the asker's."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.runner = asyncio.Runner()
        self._stop = asyncio.Event()
        self.runner.run(self._start())

    def __call__(self, method: str, path: str, body: Any = None, **headers: Any) -> Answer:
        return self.runner.run(self.ask(method, path, body, **headers))

    def together(self, *asked: tuple[Any, ...]) -> list[Answer]:
        async def gather() -> list[Answer]:
            return await asyncio.gather(*(self.ask(*each) for each in asked))

        return self.runner.run(gather())

    async def ask(
        self, method: str, path: str, body: Any = None, *, pieces: Sequence[bytes] | None = None, **headers: str
    ) -> Answer:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        waiting = list(pieces) if pieces is not None else [content]
        named = {"content-type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "headers": [(k.encode(), v.encode()) for k, v in named.items()],
        }
        answer = Answer(0, {}, b"")

        async def receive() -> dict[str, Any]:
            if not waiting:
                await asyncio.sleep(3600)
            piece = waiting.pop(0)
            if piece == DISCONNECT:
                return {"type": "http.disconnect"}
            if piece == LAST:
                return {"type": "http.request", "body": b"", "more_body": False}
            return {"type": "http.request", "body": piece, "more_body": bool(waiting) or pieces is not None}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            else:
                answer.body += message.get("body", b"")

        await self.guard(scope, receive, send)
        return answer

    def close(self) -> None:
        self._stop.set()
        self.runner.run(self._ended())
        self.runner.close()

    async def _start(self) -> None:
        started = asyncio.Event()
        asked = False

        async def receive() -> dict[str, str]:
            nonlocal asked
            if not asked:
                asked = True
                return {"type": "lifespan.startup"}
            await self._stop.wait()
            return {"type": "lifespan.shutdown"}

        async def send(message: Any) -> None:
            if message["type"] == "lifespan.startup.complete":
                started.set()

        self._lifespan = asyncio.ensure_future(self.guard({"type": "lifespan", "asgi": {}}, receive, send))
        await started.wait()

    async def _ended(self) -> None:
        await self._lifespan


DISCONNECT = b"<gone>"
"""A piece that says that the client has gone."""
LAST = b"<last>"
"""A piece that ends a body."""


@pytest.fixture
def model() -> Lengths:
    return Lengths()


@pytest.fixture(scope="session")
def make_model() -> type[Lengths]:
    return Lengths


@pytest.fixture
def start(model: Lengths, tmp_path: Path) -> Iterator[Callable[..., Asker]]:
    """Servers of the model, with settings to choose."""
    askers = []

    def make(**settings: Any) -> Asker:
        chosen: dict[str, Any] = {"folder": tmp_path, "load": lambda folder: Engine(model), "batch_size": 4} | settings
        askers.append(Asker(build_app(Settings(**chosen))))
        return askers[-1]

    yield make
    for asker in askers:
        asker.close()
