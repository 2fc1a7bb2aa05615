"""The application: a model, its batches, the annotations file and the routes, put together and taken apart."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from tagnet.serving.append_only import AppendOnlyFile
from tagnet.serving.batching import Batcher, Watch
from tagnet.serving.engine import Engine
from tagnet.serving.guard import Guard, failed
from tagnet.serving.label_studio_events import EventFile
from tagnet.serving.label_studio_routes import add_label_studio
from tagnet.serving.labelled_batches import LabelledBatches
from tagnet.serving.limits import Limits
from tagnet.serving.metrics import Metrics
from tagnet.serving.openapi import with_requests
from tagnet.serving.reading import Bodies
from tagnet.serving.refusal import Refusal
from tagnet.serving.reload import Served
from tagnet.serving.routes import add_annotations, add_labels, add_page, add_reload, add_state, add_tags

CLIENT_GONE = 499
"""How a request is counted whose client went away before it was there."""
WATCH_SECONDS = 2.0
"""How often the folder is looked at."""


@dataclass(frozen=True)
class LabelStudio:
    """How a server serves Label Studio."""

    events: Path | None = None
    """The file that annotations are noted in; None: they are not."""
    command: tuple[str, ...] | None = None
    """Started for each batch of finished tasks; None: nothing is."""
    batch: int = 1
    """Tasks of a batch."""


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
    label_studio: LabelStudio | None = None
    """How it serves Label Studio as an ML backend; None: it does not."""


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
    stored = None if settings.annotations is None else AppendOnlyFile(settings.annotations, "--annotations")
    if stored is not None:
        stored.open()
    batches = _batches(settings.label_studio)

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
            if batches is not None:
                batches.close()

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
    add_tags(app, served, batcher, bodies)
    add_labels(app, served, stored is not None)
    if stored is not None:
        add_annotations(app, served, stored, metrics, bodies)
    if settings.token is not None:
        add_reload(app, served)
    if settings.label_studio is not None:
        add_label_studio(app, served, batcher, bodies, batches)
    add_page(app)
    guard = Guard(app, metrics, settings.token, basic=settings.label_studio is not None)
    add_state(app, guard, metrics, batcher, b"UP" if settings.label_studio is not None else b"ok")
    guard.routes = frozenset(route.path for route in app.routes if hasattr(route, "path"))
    return guard


def _batches(settings: LabelStudio | None) -> LabelledBatches | None:
    """The file of events, open, and what is started for it."""
    if settings is None or settings.events is None:
        return None
    batches = LabelledBatches(EventFile(settings.events), settings.command, settings.batch)
    batches.open()
    return batches


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
