"""The OpenAPI document: bodies are read by our own reader, within bounds, so their schemas are put in here."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from tagnet.serving.schemas import (
    AnnotationRequest,
    ErrorAnswer,
    ExplainRequest,
    TagsRequest,
)

_REQUESTS: tuple[type[BaseModel], ...] = (TagsRequest, ExplainRequest, AnnotationRequest)
_REF = "#/components/schemas/{model}"

_MEANINGS = {
    401: "No token, or a wrong one.",
    404: "No such thing.",
    405: "Not with this method.",
    408: "The body came too slowly.",
    409: "The new model cannot be used; the one before goes on.",
    413: "Too large: the message says what to send less of.",
    415: "Not JSON.",
    422: "Not as it should be: the message names the place.",
    429: "Too much is waiting; `Retry-After` says when to try again.",
    500: "The server failed; the message has an id under which its log says why.",
    503: "The server is about to stop or is overloaded; `Retry-After` says when to try again.",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The answers of a route when it does not do what was asked."""
    return {status: {"model": ErrorAnswer, "description": _MEANINGS[status]} for status in sorted(statuses)}


def body(model: type[BaseModel], examples: dict[str, Any]) -> dict[str, Any]:
    """The body of a route, for FastAPI's `openapi_extra`."""
    shown = {name: {"value": value} for name, value in examples.items()}
    content = {"schema": {"$ref": _REF.format(model=model.__name__)}, "examples": shown}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def with_requests(document: dict[str, Any], *, token: bool) -> dict[str, Any]:
    """The document with the schemas of all bodies, and the token where one is asked for."""
    _, definitions = models_json_schema([(model, "validation") for model in _REQUESTS], ref_template=_REF)
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(definitions["$defs"])
    if token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document
