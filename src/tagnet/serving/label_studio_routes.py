"""The paths that Label Studio asks of an ML backend; their contract is Label Studio's, and OpenAPI shows ours alone."""

from __future__ import annotations

import asyncio
import json

from fastapi import FastAPI, Request
from starlette.responses import Response

from tagnet.serving.batching import Batcher
from tagnet.serving.label_studio_backend import find_offer, predictions, task_fields
from tagnet.serving.label_studio_events import read_event
from tagnet.serving.labelled_batches import LabelledBatches
from tagnet.serving.reading import Bodies
from tagnet.serving.refusal import Refusal, json_response, refuse_more
from tagnet.serving.reload import Served
from tagnet.serving.schemas import PredictRequest, SetupRequest, WebhookRequest


def add_label_studio(
    app: FastAPI, served: Served, batcher: Batcher, bodies: Bodies, batches: LabelledBatches | None
) -> None:
    """Add the paths to an application; without `batches` events are taken and not kept."""
    limits = bodies.limits

    @app.post("/setup", include_in_schema=False)
    async def setup(request: Request) -> Response:
        await bodies.read(request, SetupRequest)
        return json_response(json.dumps({"model_version": served.engine.version}).encode())

    @app.get("/versions", include_in_schema=False)
    async def versions() -> Response:
        return json_response(json.dumps({"versions": [served.engine.version]}).encode())

    @app.post("/predict", include_in_schema=False)
    async def predict(request: Request) -> Response:
        asked = await bodies.read(request, PredictRequest)
        engine = served.engine
        refuse_more(len(asked.tasks), limits.records, "tasks")
        offer, key = find_offer(asked.label_config, tuple(engine.tags))
        records = [
            task_fields(task, engine, limits.characters, key, f"tasks.{place}")
            for place, task in enumerate(asked.tasks)
        ]
        found = predictions(engine, await batcher.probabilities(engine, records), offer) if records else []
        return json_response(json.dumps({"results": found}).encode())

    @app.post("/webhook", include_in_schema=False)
    async def webhook(request: Request) -> Response:
        asked = await bodies.read(request, WebhookRequest)
        events = read_event(asked.model_dump())
        new = 0
        if batches is not None and events:
            try:
                new = await asyncio.to_thread(batches.add, events)
            except OSError as error:
                raise Refusal(
                    503, "not_stored", "the event could not be stored; send it again later", retry_after=10
                ) from error
        return json_response(json.dumps({"status": "ok", "new": new}).encode())
