"""One record: an id, its text fields, its tags; and the text that a model sees of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from string import Formatter

RecordId = int | str
"""An id as it stands in the file; two ids are the same when their `str` is."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it was read, before any taxonomy or label space."""

    id: RecordId
    """As in the file."""
    fields: Mapping[str, str]
    """Every text column but the id and the tags, under our name for it; "" where the file has null."""
    tags: tuple[str, ...]
    """As written, in the order written, each once: opaque strings, neither trimmed nor lower-cased."""
    created_on: datetime | None
    """When the record came about, without a time zone (moved to UTC where the file gave one); None where unknown."""


def text_template(features: Sequence[str]) -> str:
    """The template that joins these fields by blanks, in this order.

    >>> text_template(["title", "description"])
    '{title} {description}'
    """
    return " ".join(f"{{{name}}}" for name in features)


def render(template: str, fields: Mapping[str, str]) -> str:
    """The text of a record: `template` with each `{name}` replaced by that field, blanks at both ends removed.

    A field that is missing counts as "". Braces inside a field are text; only plain names are looked up.

    >>> render("{title} {description}", {"title": "Sets {in} Python", "description": "A tour."})
    'Sets {in} Python A tour.'
    >>> render("{title} {description}", {"title": "Sets"})
    'Sets'
    """
    pieces = []
    for literal, name, _, _ in Formatter().parse(template):
        pieces.append(literal)
        if name is not None:
            pieces.append(fields.get(name, ""))
    return "".join(pieces).strip()


def content_hash(record: Record | Mapping[str, str], features: Sequence[str]) -> str:
    """SHA-256, in hex, of the text fields that make the text; equal exactly when each of these fields is equal.

    >>> a, b = {"title": "ab", "description": "c"}, {"title": "a", "description": "bc"}
    >>> content_hash(a, ["title", "description"]) == content_hash(b, ["title", "description"])
    False
    """
    fields = record.fields if isinstance(record, Record) else record
    texts = json.dumps([fields.get(name, "") for name in features])
    return hashlib.sha256(texts.encode()).hexdigest()
