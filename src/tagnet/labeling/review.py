"""What a person has to look at: never dropped, never an answer by itself.

A review file stands beside what it belongs to (`answers.jsonl` → `answers.review.jsonl`), one entry a line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from tagnet.atomic import one_at_a_time, write_text
from tagnet.records.record import RecordId

Reason = Literal[
    "unknown_tags",
    "not_our_task",
    "text_changed",
    "unclear_answer",
    "unknown_record",
    "tags_moved_on",
    "contradicts_parents",
]
"""unknown_tags         chosen tags that were neither shown nor can be chosen
not_our_task         a task without our slip, or with one that was edited
text_changed         the text is no longer the one that was sent
unclear_answer       an answer of which nobody can say which tags it means
unknown_record       an answer to a record that the records file does not hold
tags_moved_on        the record has got tags since, of which the annotator was shown nothing
contradicts_parents  the taxonomy brings back a parent that was removed
"""


@dataclass(frozen=True, slots=True)
class ReviewEntry:
    """One thing to look at."""

    reason: Reason
    project_id: RecordId | None
    annotator: str | None
    tags: tuple[str, ...]
    """The tags that it is about."""
    detail: str
    """What was expected, what was found, and what tagnet did about it."""
    place: str
    """The file, and where in it."""
    found: Mapping[str, Any] = field(default_factory=dict)
    """What the tool gave back, or the answer, whole, so that nothing is lost."""


def review_path(output: Path) -> Path:
    """Where the review of an output stands.

    >>> review_path(Path("answers.jsonl")).name
    'answers.review.jsonl'
    """
    return output.with_name(f"{output.stem}.review.jsonl")


def add_to_review(output: Path, entries: Iterable[ReviewEntry]) -> int:
    """Write entries to the review of an output, behind those that are there, each once; how many are new.

    Raises:
        RunDirectoryError: the file cannot be written.
    """
    path = review_path(output)
    lines = dict.fromkeys(json.dumps(asdict(entry), ensure_ascii=True) for entry in entries)
    if not lines:
        return 0
    with one_at_a_time(path):
        return _add(path, lines)


def _add(path: Path, lines: Iterable[str]) -> int:
    before = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    known = set(before)
    new = [line for line in lines if line not in known]
    if new:
        write_text(path, "".join(line + "\n" for line in [*before, *new]))
    return len(new)
