"""The HTTP API: what each path answers.

Handlers read and write bytes themselves: FastAPI's own reading knows no bounds of size and time, and its writing of
hundreds of tags costs as much as a small model.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from tagnet.serving.annotations import AnnotationFile, annotation_row
from tagnet.serving.batching import Batcher, Watch
from tagnet.serving.engine import Engine
from tagnet.serving.explain import parts_of, questions, weights
from tagnet.serving.guard import Guard, failed
from tagnet.serving.leaving import unless_gone
from tagnet.serving.limits import Limits
from tagnet.serving.metrics import CONTENT_TYPE, Metrics
from tagnet.serving.openapi import body, errors, with_requests
from tagnet.serving.reading import Bodies
from tagnet.serving.refusal import Refusal, json_response
from tagnet.serving.reload import Served
from tagnet.serving.schemas import (
    AnnotationAnswer,
    AnnotationRequest,
    ErrorAnswer,
    ExplainAnswer,
    ExplainRequest,
    LabelsAnswer,
    ReloadAnswer,
    StateAnswer,
    TagsAnswer,
    TagsRequest,
)
from tagnet.serving.static_page import page_files

CLIENT_GONE = 499
"""How a request is counted whose client went away before it was there."""
WATCH_SECONDS = 2.0
"""How often the folder is looked at."""


@dataclass(frozen=True)
class Settings:
    """How a server is set up."""

    folder: Path
    """An ONNX export, or whatever `load` makes one of."""
    load: Callable[[Path], Engine]
    limits: Limits = field(default_factory=Limits)
    batch_size: int = 8
    """Records in a batch."""
    annotations: Path | None = None
    """The file that authors' answers are appended to; None: they are not stored."""
    token: str | None = None
    """What clients have to send; None: nothing."""


class _Documented(FastAPI):
    """FastAPI whose document shows the bodies that our own reader takes, with the fields and tags of the model."""

    def __init__(self, served: Served, limits: Limits, token: bool, **settings: Any) -> None:
        super().__init__(**settings)
        self._served = served
        self._limits = limits
        self._token = token
        self._version: str | None = None

    def openapi(self) -> dict[str, Any]:
        """The document, made once a model."""
        document = super().openapi()
        engine = self._served.engine
        if self._version != engine.version:
            with_requests(document, engine, self._limits, token=self._token)
            self._version = engine.version
        return document


def build_app(settings: Settings) -> Guard:
    """The application, its model loaded.

    Raises:
        BundleError: the folder holds no whole export.
        RunDirectoryError: annotations cannot be written.
    """
    metrics = Metrics()
    served = Served(settings.folder, settings.load, metrics)
    batcher = Batcher(settings.limits, settings.batch_size, Watch(metrics.batch))
    stored = None if settings.annotations is None else AnnotationFile(settings.annotations)
    if stored is not None:
        stored.open()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        tasks = {asyncio.create_task(served.watch(WATCH_SECONDS))}

        def reload_soon() -> None:
            task = asyncio.create_task(served.try_to_reload())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        with contextlib.suppress(RuntimeError, ValueError):  # tests run servers in threads, which get no signals
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload_soon)
        try:
            yield
        finally:
            for task in list(tasks):
                task.cancel()
            await asyncio.to_thread(batcher.stop)
            if stored is not None:
                stored.close()

    app = _Documented(
        served,
        settings.limits,
        settings.token is not None,
        title="tagnet",
        summary="Suggested tags for texts.",
        version=_version(),
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        openapi_url="/openapi.json",
        redirect_slashes=False,
    )
    _handle_errors(app)
    bodies = Bodies(settings.limits)
    _add_tags(app, served, batcher, bodies, settings)
    _add_labels(app, served, stored is not None)
    if stored is not None:
        _add_annotations(app, served, stored, metrics, bodies, settings)
    if settings.token is not None:
        _add_reload(app, served)
    _add_page(app)
    guard = Guard(app, metrics, settings.token)
    _add_state(app, guard, metrics, batcher)
    guard.routes = frozenset(route.path for route in app.routes if hasattr(route, "path"))
    return guard


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("tagnet")
    except PackageNotFoundError:
        return "0"


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(Refusal)
    async def refused(request: Request, error: Refusal) -> Response:
        return error.response()

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=CLIENT_GONE)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        return failed()

    @app.exception_handler(HTTPException)
    async def not_there(request: Request, error: HTTPException) -> Response:
        said = {404: ("not_found", "there is no such path"), 405: ("not_allowed", "not with this method")}
        code, message = said.get(error.status_code, ("not_possible", "this cannot be done"))
        return Refusal(error.status_code, code, f"{message}; /openapi.json names all").response(error.headers)


def _add_tags(app: FastAPI, served: Served, batcher: Batcher, bodies: Bodies, settings: Settings) -> None:
    limits = settings.limits
    example = {name: f"the {name} of a project" for name in served.engine.features}
    refusals = errors(401, 408, 413, 415, 422, 429, 500, 503)

    @app.post(
        "/v1/tags",
        response_model=TagsAnswer,
        responses=refusals,
        openapi_extra=body(
            TagsRequest,
            {"one record": {"records": [example]}, "the three best tags": {"records": [example, example], "top": 3}},
        ),
    )
    async def tags(request: Request) -> Response:
        """Suggest tags: one result a record, in order; the tags of each by falling probability."""
        asked = await bodies.read(request, TagsRequest)
        engine = served.engine
        if len(asked.records) > limits.records:
            raise Refusal(
                413, "too_many_records", f"found {len(asked.records)} records; send at most {limits.records} at a time"
            )
        records = [
            engine.fields(record, limits.characters, f"records.{place}") for place, record in enumerate(asked.records)
        ]
        top = asked.top
        del asked  # what else stands in a record may be twenty times as large as its JSON, and records may wait long
        probs_NK = await unless_gone(request, batcher.probabilities(engine, records))
        return json_response(engine.render(probs_NK, top))

    @app.post(
        "/v1/explain",
        response_model=ExplainAnswer,
        responses=refusals,
        openapi_extra=body(ExplainRequest, {"one tag": {"record": example, "tags": list(served.engine.tags[:1])}}),
    )
    async def explain(request: Request) -> Response:
        """Which words carried a tag: each is left out in turn, all in one call. Long texts go by groups of words."""
        asked = await bodies.read(request, ExplainRequest)
        engine = served.engine
        if len(asked.tags) > limits.explained_tags:
            raise Refusal(
                413, "too_many_tags", f"found {len(asked.tags)} tags; ask for at most {limits.explained_tags} at a time"
            )
        tags = asked.tags
        engine.check_tags(tags, "tags")
        fields = engine.fields(asked.record, min(limits.characters, limits.explained_characters))
        del asked  # as in `tags`
        parts = parts_of(fields, limits.explained_words)
        probs_WK = await unless_gone(request, batcher.probabilities(engine, questions(fields, parts)))
        columns = [engine.column_of[tag] for tag in tags]
        fall = weights(probs_WK, columns).tolist()
        found = [
            {
                "tag": tag,
                "probability": float(probs_WK[0, column]),
                "words": [
                    {"feature": p.feature, "start": p.start, "end": p.end, "text": p.text, "weight": row[place]}
                    for p, row in zip(parts, fall, strict=True)
                ],
            }
            for place, (tag, column) in enumerate(zip(tags, columns, strict=True))
        ]
        return json_response(json.dumps({"model_version": engine.version, "tags": found}).encode())


def _add_labels(app: FastAPI, served: Served, annotations: bool) -> None:
    @app.get("/v1/labels", response_model=LabelsAnswer, responses=errors(401, 500, 503))
    async def labels() -> Response:
        """All tags with their thresholds, other names, parents, and the number of records they were learnt from."""
        return json_response(served.engine.labels(annotations=annotations))


def _add_annotations(
    app: FastAPI, served: Served, stored: AnnotationFile, metrics: Metrics, bodies: Bodies, settings: Settings
) -> None:
    engine = served.engine
    tag = engine.tags[0]
    example = {
        "record": {"id": 1, **{name: f"the {name} of a project" for name in engine.features}},
        "shown": [{"tag": tag, "probability": 0.9, "source": "model"}],
        "kept": [tag],
        "added": [],
        "removed": [],
        "annotator": "ann",
    }

    @app.post(
        "/v1/annotations",
        response_model=AnnotationAnswer,
        status_code=201,
        responses=errors(401, 408, 413, 415, 422, 500, 503),
        openapi_extra=body(AnnotationRequest, {"a tag that is right": example}),
    )
    async def annotations(request: Request) -> Response:
        """Store what an author makes of the tags; the answer comes once it is on disk."""
        asked = await bodies.read(request, AnnotationRequest)
        try:
            identity = await asyncio.to_thread(
                stored.append, annotation_row(asked, served.engine, settings.limits.characters)
            )
        except OSError as error:
            raise Refusal(
                503, "not_stored", "the annotation could not be stored; send it again later", retry_after=10
            ) from error
        metrics.annotations.inc()
        return json_response(json.dumps({"id": identity, "stored": True}).encode(), 201)


def _add_reload(app: FastAPI, served: Served) -> None:
    @app.post("/v1/reload", response_model=ReloadAnswer, responses=errors(401, 409, 500, 503))
    async def reload() -> Response:
        """Load the folder anew. What is in flight is finished by the model before."""
        changed = await served.reload()
        return json_response(json.dumps({"model_version": served.engine.version, "changed": changed}).encode())


def _add_state(app: FastAPI, guard: Guard, metrics: Metrics, batcher: Batcher) -> None:
    @app.get("/health", response_model=StateAnswer)
    async def health() -> Response:
        """Whether the process is alive."""
        return json_response(b'{"status": "ok"}')

    @app.get("/ready", response_model=StateAnswer, responses={503: {"model": ErrorAnswer, "description": "Stopping."}})
    async def ready() -> Response:
        """Whether requests may be sent here."""
        if guard.stopping:
            raise Refusal(503, "stopping", "this server is about to stop", retry_after=5)
        return json_response(b'{"status": "ok"}')

    @app.get("/metrics", responses={200: {"content": {"text/plain": {}}}, **errors(401)}, response_class=Response)
    async def exposed() -> Response:
        """Figures for Prometheus."""
        metrics.queue.set(batcher.records)
        return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE})


def _add_page(app: FastAPI) -> None:
    for path, answer in page_files().items():
        app.add_route(path, _constant(answer), methods=["GET"], include_in_schema=False)


def _constant(answer: Response) -> Callable[[Request], Any]:
    async def file(request: Request) -> Response:
        return answer

    return file
