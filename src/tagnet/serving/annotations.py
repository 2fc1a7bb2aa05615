"""Authors' answers, as they are appended to a file.

One JSON object a line:

    id              of the annotation
    at              when it came, in UTC
    project_id      the record's id; null for a text that has none
    model_version   of the model whose suggestions were shown: what the request says, else that of the model served
    annotator, comment
    record          the text fields
    shown           what was shown: tag, probability, source (model, author or rule)
    kept, added, removed

`tagnet label import --tool tagnet` reads it.
"""

from __future__ import annotations

from typing import Any

from tagnet.serving.engine import Engine
from tagnet.serving.refusal import Refusal
from tagnet.serving.schemas import AnnotationRequest


def annotation_row(asked: AnnotationRequest, engine: Engine, most_characters: int) -> dict[str, Any]:
    """What is stored of an annotation.

    Raises:
        Refusal: a tag is unknown, stands in two lists, or the record is not as it should be.
    """
    identity = asked.record.get("id")
    if identity is not None and (not isinstance(identity, int | str) or isinstance(identity, bool) or identity == ""):
        raise Refusal(422, "not_an_id", "record.id: expected an integer or a text that is not empty")
    if isinstance(identity, str) and len(identity) > 1000:
        raise Refusal(422, "not_an_id", "record.id: expected at most 1000 characters")
    fields = engine.fields(asked.record, most_characters)
    place_of: dict[str, str] = {}
    for place in ("kept", "added", "removed"):
        tags = getattr(asked, place)
        engine.check_tags(tags, place)
        for tag in tags:
            if tag in place_of:
                raise Refusal(422, "tag_twice", f"{place}: {tag!r} is in {place_of[tag]} already; name each tag once")
            place_of[tag] = place
    engine.check_tags([each.tag for each in asked.shown], "shown")
    return {
        "project_id": identity,
        "model_version": asked.model_version or engine.version,
        "annotator": asked.annotator,
        "record": fields,
        "shown": [each.model_dump() for each in asked.shown],
        "kept": asked.kept,
        "added": asked.added,
        "removed": asked.removed,
        "comment": asked.comment,
    }
