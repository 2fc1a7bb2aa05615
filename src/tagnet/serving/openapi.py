"""The OpenAPI document: bodies are read by our own reader, within bounds, so their schemas are put in here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from tagnet.serving.engine import Engine
from tagnet.serving.limits import Limits
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


def with_requests(document: dict[str, Any], engine: Engine, limits: Limits, *, token: bool) -> None:
    """Put the schemas of all bodies into a document: the model's fields and tags, and the limits, are in them."""
    _, definitions = models_json_schema([(model, "validation") for model in _REQUESTS], ref_template=_REF)
    schemas = definitions["$defs"]
    record, tag = {"$ref": _REF.format(model="Record")}, {"$ref": _REF.format(model="KnownTag")}
    schemas["Record"] = _record(engine.features, limits)
    schemas["KnownTag"] = {"type": "string", "enum": list(engine.tags), "description": "A tag of /v1/labels."}
    asked, explained, annotated = (schemas[model.__name__]["properties"] for model in _REQUESTS)
    asked["records"] |= {"items": record, "maxItems": limits.records}
    explained["record"] = annotated["record"] = record
    explained["tags"] |= {"items": tag, "maxItems": limits.explained_tags}
    schemas["ShownTag"]["properties"]["tag"] = tag
    for place in ("kept", "added", "removed"):
        annotated[place] |= {"items": tag, "uniqueItems": True}
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(schemas)
    if token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]


def _record(features: Sequence[str], limits: Limits) -> dict[str, Any]:
    text = {"type": ["string", "null"], "maxLength": limits.characters}
    return {
        "type": "object",
        "description": "At least one of the fields that the model reads; null is as good as empty. What else stands "
        "in a record is passed over.",
        "properties": {
            "id": {"type": ["integer", "string", "null"], "minLength": 1, "maxLength": 1000},
            **dict.fromkeys(features, text),
        },
        "anyOf": [{"required": [name]} for name in features],
    }
