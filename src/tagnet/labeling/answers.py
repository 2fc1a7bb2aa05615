"""The neutral answer: what an annotator made of a task, in no tool's own words.

`kept`, `added` and `removed` speak of the tags that were *shown*: the author's and, where a bundle suggested some, the
model's. What the annotator wants is `kept` and `added` together; a suggestion that was turned down stands in `removed`,
and takes nothing from the author. A skipped answer says nothing of any tag; an empty one says that there is none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from tagnet.errors import LabelingError
from tagnet.records.json_files import describe
from tagnet.records.record import RecordId


@dataclass(frozen=True, slots=True)
class Answer:
    """One line of an answers file, key by key."""

    project_id: RecordId
    annotator: str | None
    """As the tool names them; None where it does not."""
    at: str | None
    """When, as ISO 8601; None where the tool does not say."""
    kept: tuple[str, ...]
    """Shown and chosen, in the order shown."""
    added: tuple[str, ...]
    """Chosen, though not shown."""
    removed: tuple[str, ...]
    """Shown, but not chosen, in the order shown."""
    skipped: bool
    empty: bool
    """Not skipped, and no tag is right."""
    comment: str | None

    @property
    def tags(self) -> tuple[str, ...]:
        """What the annotator wants: kept, then added."""
        return self.kept + self.added

    @property
    def key(self) -> str:
        """16 hex digits that are the same for the same answer, wherever it was read."""
        return hashlib.sha256(json.dumps(answer_to_plain(self), sort_keys=True).encode()).hexdigest()[:16]


def make_answer(
    project_id: RecordId,
    shown: Sequence[str],
    chosen: Iterable[str] | None,
    *,
    annotator: str | None = None,
    at: str | None = None,
    comment: str | None = None,
) -> Answer:
    """The answer of an annotator who was shown some tags and chose some; `chosen` is None where they skipped.

    >>> answer = make_answer(1, ["a", "b"], ["c", "a"])
    >>> answer.kept, answer.added, answer.removed, answer.empty
    (('a',), ('c',), ('b',), False)
    >>> make_answer(1, ["a"], []).empty, make_answer(1, ["a"], None).removed
    (True, ())
    """
    if chosen is None:
        return Answer(project_id, annotator, at, (), (), (), skipped=True, empty=False, comment=comment)
    wanted = dict.fromkeys(chosen)
    return Answer(
        project_id,
        annotator,
        at,
        kept=tuple(tag for tag in shown if tag in wanted),
        added=tuple(tag for tag in wanted if tag not in shown),
        removed=tuple(tag for tag in shown if tag not in wanted),
        skipped=False,
        empty=not wanted,
        comment=comment,
    )


def answer_to_plain(answer: Answer) -> dict[str, Any]:
    """The line of an answers file, with exactly the keys of `Answer`."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(answer).items()}


_KEYS = ("project_id", "annotator", "at", "kept", "added", "removed", "skipped", "empty", "comment")


def answer_from_plain(plain: object, place: str) -> Answer:
    """The inverse of `answer_to_plain`.

    Args:
        plain: a parsed line.
        place: where it stands, for messages.

    Raises:
        LabelingError: a key is missing, unknown, or of the wrong type; or the answer contradicts itself.
    """
    if not isinstance(plain, Mapping) or set(plain) != set(_KEYS):
        found = ", ".join(map(str, plain)) if isinstance(plain, Mapping) else describe(plain)
        raise LabelingError(f"{place}: expected an answer with the keys {', '.join(_KEYS)}; found {found}")
    _check_types(plain, place)
    kept, added, removed = (tuple(dict.fromkeys(plain[key])) for key in ("kept", "added", "removed"))
    answer = Answer(
        project_id=plain["project_id"],
        annotator=None if plain["annotator"] is None else str(plain["annotator"]),
        at=plain["at"],
        kept=kept,
        added=added,
        removed=removed,
        skipped=plain["skipped"],
        empty=plain["empty"],
        comment=plain["comment"],
    )
    if answer.skipped and (answer.tags or answer.removed or answer.empty):
        raise LabelingError(f"{place}: skipped: expected no tags and empty=false in a skipped answer, found some")
    if not answer.skipped and answer.empty != (not answer.tags):
        raise LabelingError(
            f"{place}: empty: expected {str(not answer.tags).lower()}, for {len(answer.tags)} tags are kept or added; "
            f"found {str(answer.empty).lower()}"
        )
    return answer


def _check_types(plain: Mapping[str, Any], place: str) -> None:
    identity = plain["project_id"]
    if not (isinstance(identity, int | str) and not isinstance(identity, bool) and identity != ""):
        raise LabelingError(
            f"{place}: project_id: expected an integer or a non-empty string, found {describe(identity)}"
        )
    if not isinstance(plain["annotator"], str | int | None) or isinstance(plain["annotator"], bool):
        raise LabelingError(
            f"{place}: annotator: expected a name, a number or null, found {describe(plain['annotator'])}"
        )
    for key in ("at", "comment"):
        if not (plain[key] is None or isinstance(plain[key], str)):
            raise LabelingError(f"{place}: {key}: expected a string or null, found {describe(plain[key])}")
    for key in ("kept", "added", "removed"):
        if not (isinstance(plain[key], list) and all(isinstance(tag, str) for tag in plain[key])):
            raise LabelingError(f"{place}: {key}: expected a list of strings, found {describe(plain[key])}")
    for key in ("skipped", "empty"):
        if not isinstance(plain[key], bool):
            raise LabelingError(f"{place}: {key}: expected true or false, found {describe(plain[key])}")


UNKNOWN = datetime.min.replace(tzinfo=UTC)
"""The moment of an answer of which nobody knows when it was given."""


def moment(at: str | None) -> datetime:
    """When an answer was given, in UTC; `UNKNOWN`, the earliest moment of all, where it is not known.

    >>> moment("2026-11-02T10:00:00+02:00").isoformat(), moment(None).year
    ('2026-11-02T08:00:00+00:00', 1)
    """
    try:
        found = datetime.fromisoformat(at or "")
    except ValueError:
        return UNKNOWN
    return found.astimezone(UTC) if found.tzinfo and found.year > 1 else found.replace(tzinfo=UTC)
