"""Labeling functions: for a record and a tag each says yes (+1), no (−1), or nothing at all."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tagnet.errors import LabelingError
from tagnet.records.record import RecordId

Votes = Mapping[str, int]
"""Tag → +1 or −1; a tag that is missing is abstained from."""


@dataclass(frozen=True)
class Example:
    """One record as functions see it; its tags are not shown."""

    id: RecordId
    fields: Mapping[str, str]
    """Every column as text, under our name for it."""
    text: str
    """The features joined, as a model reads them."""


@dataclass(frozen=True)
class LabelingFunction:
    """A named voter."""

    name: str
    tags: tuple[str, ...]
    """All that it may vote for or against."""
    version: str
    """Differs when its votes may differ: a hash of what it is made of."""
    vote: Callable[[Sequence[Example]], Sequence[Votes]]
    """The votes of each example, in order."""


def version_of(*parts: object) -> str:
    """The first 16 hex digits of the SHA-256 of parts that JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def labeling_function(
    *tags: str, name: str | None = None, version: str | None = None
) -> Callable[[Callable[[Example], int | Votes | None]], LabelingFunction]:
    """Make a labeling function of a Python function of one example.

    Args:
        tags: what it votes for. With one tag it may return +1, −1, or 0 or None to abstain; with any number it may
            return tag → vote.
        name: default: the function's own.
        version: default: a hash of its source.

    >>> @labeling_function("nlp")
    ... def speaks_of_language(example):
    ...     return 1 if "language" in example.text else None
    >>> speaks_of_language.vote([Example(1, {}, "a language"), Example(2, {}, "a map")])
    [{'nlp': 1}, {}]
    """

    def decorate(function: Callable[[Example], int | Votes | None]) -> LabelingFunction:
        own = name or function.__name__
        if not tags:
            raise LabelingError(f"@labeling_function of {own}: expected the tags that it votes for, found none")

        def vote(examples: Sequence[Example]) -> list[Votes]:
            return [_checked(own, tags, example, function(example)) for example in examples]

        return LabelingFunction(own, tags, version or version_of(_source(function), tags), vote)

    return decorate


def _source(function: Callable[..., object]) -> str:
    try:
        return inspect.getsource(function)
    except OSError:  # typed at a prompt
        return repr(getattr(function, "__code__", function))


def _checked(name: str, tags: Sequence[str], example: Example, found: int | Votes | None) -> Votes:
    votes: Mapping[str, object]
    if found is None:
        return {}
    if isinstance(found, Mapping):
        votes = found
    elif len(tags) == 1:
        votes = {tags[0]: found}
    else:
        raise LabelingError(f"labeling function {name}, record {example.id!r}: expected tag → vote, found {found!r}")
    for tag, vote in votes.items():
        if tag not in tags or vote not in (-1, 0, 1):
            raise LabelingError(
                f"labeling function {name}, record {example.id!r}: expected -1, 0 or 1 for some of "
                f"{', '.join(tags[:5])}, found {tag!r}: {vote!r}"
            )
    return {tag: 1 if vote == 1 else -1 for tag, vote in votes.items() if vote}
