"""What each path of the HTTP API answers.

Handlers read and write bytes themselves: FastAPI's own reading knows no bounds of size and time, and its writing of
hundreds of tags costs as much as a small model.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import Response

from tagnet.serving.annotations import annotation_row
from tagnet.serving.append_only import AppendOnlyFile
from tagnet.serving.batching import Batcher
from tagnet.serving.explain import parts_of, questions, weights
from tagnet.serving.guard import Guard
from tagnet.serving.leaving import unless_gone
from tagnet.serving.metrics import CONTENT_TYPE, Metrics
from tagnet.serving.openapi import body, errors
from tagnet.serving.reading import Bodies
from tagnet.serving.refusal import Refusal, json_response, refuse_more
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


def add_tags(app: FastAPI, served: Served, batcher: Batcher, bodies: Bodies) -> None:
    """Tags of records, and the words that carried them."""
    limits = bodies.limits
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
        refuse_more(len(asked.records), limits.records, "records")
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
        refuse_more(len(asked.tags), limits.explained_tags, "tags")
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


def add_labels(app: FastAPI, served: Served, annotations: bool) -> None:
    """What the model knows."""

    @app.get("/v1/labels", response_model=LabelsAnswer, responses=errors(401, 500, 503))
    async def labels() -> Response:
        """All tags with their thresholds, other names, parents, and the number of records they were learnt from."""
        return json_response(served.engine.labels(annotations=annotations))


def add_annotations(app: FastAPI, served: Served, stored: AppendOnlyFile, metrics: Metrics, bodies: Bodies) -> None:
    """Authors' answers."""
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
                stored.append, annotation_row(asked, served.engine, bodies.limits.characters)
            )
        except OSError as error:
            raise Refusal(
                503, "not_stored", "the annotation could not be stored; send it again later", retry_after=10
            ) from error
        metrics.annotations.inc()
        return json_response(json.dumps({"id": identity, "stored": True}).encode(), 201)


def add_reload(app: FastAPI, served: Served) -> None:
    """Another model."""

    @app.post("/v1/reload", response_model=ReloadAnswer, responses=errors(401, 409, 500, 503))
    async def reload() -> Response:
        """Load the folder anew. What is in flight is finished by the model before."""
        changed = await served.reload()
        return json_response(json.dumps({"model_version": served.engine.version, "changed": changed}).encode())


def add_state(app: FastAPI, guard: Guard, metrics: Metrics, batcher: Batcher, alive: bytes) -> None:
    """Probes and figures; `alive` is what a probe is told."""

    @app.get("/health", response_model=StateAnswer)
    async def health() -> Response:
        """Whether the process is alive."""
        return json_response(b'{"status": "%s"}' % alive)

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


def add_page(app: FastAPI) -> None:
    """The page for authors."""
    for path, answer in page_files().items():
        app.add_route(path, _constant(answer), methods=["GET"], include_in_schema=False)


def _constant(answer: Response) -> Callable[[Request], Any]:
    async def file(request: Request) -> Response:
        return answer

    return file
