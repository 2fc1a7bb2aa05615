"""What every codec has in common: the two ways, and what comes back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from tagnet.atomic import write_text
from tagnet.errors import LabelingError
from tagnet.labeling.tasks import TaskBatch
from tagnet.records.json_files import describe, describe_fault, read_text

SLIP = "tagnet"
"""The key, column or field under which a slip travels."""
SKIP = "[skip]"
"""A choice that stands for skipping, in tools that know no such thing."""
NO_TAG = "[no tag]"
"""A choice that stands for no tag being right, in tools that take no empty answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One annotator's answer as a tool gave it back, not yet held against what was sent."""

    place: str
    """Where in the file it stands, for messages and review."""
    slip: object
    """What stands where the slip should be; None where nothing does. A `Slip`, or why there is none, where a tool of
    our own sends none out."""
    chosen: tuple[str, ...] | None
    """The tags that are ticked now; None where the annotator skipped."""
    text: str | None = None
    """The text as it came back; None where the tool does not say."""
    annotator: str | None = None
    at: str | None = None
    comment: str | None = None
    unclear: str | None = None
    """Why nobody can say which tags are meant, or of which record; or None."""
    found: Mapping[str, Any] = field(default_factory=dict)
    """The tool's own words, for the review."""


@dataclass(frozen=True, slots=True)
class Replies:
    """What a file of a tool holds."""

    replies: tuple[Reply, ...]
    tags: frozenset[str] | None
    """The tags that could be chosen, where the tool's file says so."""
    waiting: tuple[object, ...]
    """The slips of tasks that nobody has answered yet."""
    surely_ours: bool = False
    """Whether the file can be none but ours, even where not one of its slips is."""


class Codec(Protocol):
    """A tool's two ways."""

    @property
    def name(self) -> str:
        """The tool's name on the command line."""

    def write(self, batch: TaskBatch, output: Path) -> Sequence[Path]:
        """Write tasks as the tool imports them; the files that were written, the tasks first.

        Raises:
            LabelingError: the tool cannot hold what is to be shown.
            RunDirectoryError: the disk is full, or the place cannot be written.
        """

    def read(self, path: Path) -> Replies:
        """Read what the tool exports.

        Raises:
            LabelingError: the file is missing, broken, half-written, or no export of this tool.
        """


def beside(output: Path, ending: str) -> Path:
    """The name of a file that goes with an output.

    >>> beside(Path("out/tasks.json"), "config.xml").name
    'tasks.config.xml'
    """
    return output.with_name(f"{output.stem}.{ending}")


def most_wanted(batch: TaskBatch, limit: int) -> tuple[str, ...]:
    """The tags to choose from in tools that repeat them in every task: the declared ones first, then the most shown."""
    counts = Counter(tag for task in batch.tasks for tag in task.shown)
    ranked = sorted(batch.tags, key=lambda tag: (tag not in batch.declared, -counts[tag], tag))
    return tuple(sorted(ranked[:limit]))


def write_rows(output: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """A JSON array with one object a line.

    Raises:
        RunDirectoryError: the file cannot be written.
    """
    write_text(output, "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n")


def read_rows(path: Path, tool: str, expected: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects of a JSON array, a single object, or JSON Lines, each with its place.

    Raises:
        LabelingError: the file is missing or broken, or holds something that is no object.
    """
    return parse_rows(read_text(path, LabelingError), path, tool, expected)


def parse_rows(text: str, path: Path, tool: str, expected: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """As `read_rows`, of a text that was read from `path`; lines are parsed as they are asked for.

    Raises:
        LabelingError: it is broken, or holds something that is no object.
    """
    for place, row in _values(text, path, expected):
        if not isinstance(row, Mapping):
            raise LabelingError(f"{place}: expected {expected}, found {describe(row)}; is it an export of {tool}?")
        yield place, row


def _values(text: str, path: Path, expected: str) -> Iterator[tuple[str, Any]]:
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as fault:
        if text.lstrip()[:1] == "[":
            raise _broken(str(path), expected, fault, 1) from fault
        yield from _lines(text, path, expected)
        return
    if isinstance(whole, list):
        yield from ((f"{path}, item {number}", row) for number, row in enumerate(whole, 1))
    else:
        yield str(path), whole


def _lines(text: str, path: Path, expected: str) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as fault:
                raise _broken(f"{path}, line {number}", expected, fault, number) from fault
            yield f"{path}, line {number}", value


def _broken(place: str, expected: str, fault: ValueError | RecursionError, line: int) -> LabelingError:
    found = describe_fault(fault, line)
    return LabelingError(f"{place}: expected {expected}, found {found}\nThe file may be half-written: export it again.")


def tag_list(value: object, place: str, key: str) -> tuple[str, ...]:
    """A list of tags, or one tag alone, as tools write it; each once.

    Raises:
        LabelingError: it is neither.

    >>> tag_list(["b", "a", "b"], "here", "label"), tag_list("a", "here", "label"), tag_list(None, "here", "label")
    (('b', 'a'), ('a',), ())
    """
    values = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not all(isinstance(tag, str) for tag in values):
        raise LabelingError(f"{place}: {key}: expected a list of tags, found {describe(value)}")
    return tuple(dict.fromkeys(values))


def as_iso(value: object) -> str | None:
    """A moment as ISO 8601: seconds since 1970 are turned into it, texts stay as they are.

    >>> as_iso(0), as_iso("2026-11-02T10:00:00Z"), as_iso(None)
    ('1970-01-01T00:00:00+00:00', '2026-11-02T10:00:00Z', None)
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC).isoformat()
    return value if isinstance(value, str) and value else None


def as_name(value: object) -> str | None:
    """An annotator as text: a name or a number as it is, of an object its e-mail, name or id.

    >>> as_name(3), as_name({"id": 3, "email": "ann@example.org"}), as_name(None)
    ('3', 'ann@example.org', None)
    """
    if isinstance(value, Mapping):
        value = next((value[key] for key in ("email", "username", "name", "id") if value.get(key)), None)
    return None if value is None or value == "" or isinstance(value, bool) else str(value)


def split_words(chosen: tuple[str, ...], known: frozenset[str] | set[str]) -> tuple[str, ...] | None:
    """Tags without the choices that stand for skipping or for no tag; None where the annotator skipped.

    A tag of the tag set that happens to be spelt like one of them is a tag.

    >>> split_words(("a", NO_TAG), {"a"}), split_words((SKIP, "a"), {"a"}), split_words((SKIP,), {SKIP})
    (('a',), None, ('[skip]',))
    """
    if SKIP in chosen and SKIP not in known:
        return None
    return tuple(tag for tag in chosen if tag != NO_TAG or NO_TAG in known)
