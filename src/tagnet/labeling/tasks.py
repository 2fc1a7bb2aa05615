"""The neutral task: what an annotator is shown of a record, in no tool's own words.

A task travels through a tool as a *slip*: one compact JSON text with all that the way back needs. Each codec puts it
where its tool keeps what it does not understand (`data`, `meta`, `metadata`, a column), so that an export of the tool
is read without any other file. Its seal, a short SHA-256 of its content, tells a slip that came back whole from one
that was cut, edited, or never ours.

To put tasks into a server instead of a file, make them with `make_batch`, encode them with a codec's own function
(`tools.label_studio.encode_task`), and key them by `(str(project_id), content_hash)`: a server may use its ids anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tagnet.errors import LabelingError
from tagnet.records.json_files import describe
from tagnet.records.record import Record, RecordId, content_hash

Source = Literal["author", "model", "rule"]
_SOURCES = ("author", "model", "rule")
_SLIP_VERSION = 1


@dataclass(frozen=True, slots=True)
class ShownTag:
    """One tag that the annotator finds ticked, and who ticked it."""

    tag: str
    source: Source
    """`author`: it stands in the records; `model` or `rule`: it was suggested. What the author gave is the author's,
    whatever a model says of it."""
    model_version: str | None = None
    """Of the model that scored it, also where the author gave it; None where no model was asked."""
    probability: float | None = None
    """The model's calibrated probability, 0 to 1; None where no model was asked, or does not know the tag."""


@dataclass(frozen=True, slots=True)
class Slip:
    """What a task has to remember on its way through a tool."""

    project_id: RecordId
    content_hash: str
    """SHA-256, in hex, of the fields in `features`: `records.record.content_hash`."""
    features: tuple[str, ...]
    """The fields that were shown."""
    text_hash: str
    """16 hex digits of the shown text's SHA-256, its white space evened out: tools strip and wrap."""
    tag_set: str
    """The version of the tags that could be chosen: `tag_set_version`."""
    shown: tuple[ShownTag, ...]
    asked: str = ""
    """What the annotator is asked about these tags, above the text; "" where nothing in particular."""


@dataclass(frozen=True, slots=True)
class LabelTask:
    """A record as an annotator sees it."""

    slip: Slip
    fields: Mapping[str, str]
    """The text fields that are shown, in order."""

    @property
    def text(self) -> str:
        """What is asked, then the fields that are not empty, a blank line between them."""
        return shown_text(self.fields, self.slip.asked)

    @property
    def shown(self) -> tuple[str, ...]:
        """The names of the shown tags."""
        return tuple(each.tag for each in self.slip.shown)


@dataclass(frozen=True, slots=True)
class TaskBatch:
    """Tasks that are sent together, and the tags that can be chosen in them."""

    tasks: tuple[LabelTask, ...]
    tags: tuple[str, ...]
    """Sorted; every shown tag is among them."""
    declared: frozenset[str]
    """Those among them that a taxonomy or a bundle names."""
    parents: Mapping[str, str]
    """Tag → the first of its parents, where a taxonomy was given; for tools that draw a tree."""


def make_batch(
    records: Sequence[Record],
    features: Sequence[str],
    *,
    suggested: Sequence[Sequence[ShownTag]] | None = None,
    declared: Iterable[str] = (),
    parents: Mapping[str, str] | None = None,
    asked: Sequence[str] | None = None,
) -> TaskBatch:
    """One task a record: the author's tags, then what else was suggested.

    Args:
        records: N records.
        features: the fields to show.
        suggested: N lists, of what a model or a rule says; what it says of an author's tag is noted beside it.
        declared: tags that can be chosen, shown or not: of a taxonomy, or a bundle's.
        parents: tag → the first of its parents.
        asked: N texts, what the annotator is asked in particular; "" for nothing.

    >>> record = Record(1, {"title": "Sets", "description": ""}, ("a",), None)
    >>> suggested = [[ShownTag("a", "model", "v1", 0.9), ShownTag("b", "model", "v1", 0.7)]]
    >>> batch = make_batch([record], ["title", "description"], suggested=suggested, declared=["c"])
    >>> [(each.tag, each.source, each.probability) for each in batch.tasks[0].slip.shown]
    [('a', 'author', 0.9), ('b', 'model', 0.7)]
    >>> batch.tags
    ('a', 'b', 'c')
    """
    declared = tuple(declared)
    lists = suggested if suggested is not None else [()] * len(records)
    shown = [_join(record.tags, each) for record, each in zip(records, lists, strict=True)]
    tags = tuple(sorted({each.tag for row in shown for each in row} | set(declared)))
    version = tag_set_version(tags)
    tasks = []
    questions = asked if asked is not None else [""] * len(records)
    for record, row, question in zip(records, shown, questions, strict=True):
        fields = {name: record.fields.get(name, "") for name in features}
        tasks.append(
            LabelTask(
                Slip(
                    project_id=record.id,
                    content_hash=content_hash(fields, features),
                    features=tuple(features),
                    text_hash=text_hash(shown_text(fields, question)),
                    tag_set=version,
                    shown=row,
                    asked=question,
                ),
                fields,
            )
        )
    return TaskBatch(tuple(tasks), tags, frozenset(declared), dict(parents or {}))


def _join(own: Sequence[str], suggested: Sequence[ShownTag]) -> tuple[ShownTag, ...]:
    said = {each.tag: each for each in suggested}
    shown = {
        tag: ShownTag(tag, "author", said[tag].model_version, said[tag].probability)
        if tag in said
        else ShownTag(tag, "author")
        for tag in own
    }
    return tuple({**said, **shown}[tag] for tag in dict.fromkeys([*own, *said]))


def shown_text(fields: Mapping[str, str], asked: str = "") -> str:
    r"""The text of tools that show one: what is asked, then fields that are not empty, a blank line between them.

    >>> shown_text({"title": "Sets", "description": " ", "readme": "A tour."})
    'Sets\n\nA tour.'
    """
    return "\n\n".join(value.strip() for value in (asked, *fields.values()) if value.strip())


def text_hash(text: str) -> str:
    r"""16 hex digits of the SHA-256 of a text, whatever white space stands between its words.

    >>> text_hash("Sets\n\nA tour.") == text_hash(" Sets A  tour.")
    True
    """
    return hashlib.sha256(" ".join(text.split()).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def tag_set_version(tags: Iterable[str]) -> str:
    """16 hex digits that stand for a set of tags, in whatever order.

    >>> tag_set_version(["a", "b"]) == tag_set_version(["b", "a"]) != tag_set_version(["a"])
    True
    """
    return hashlib.sha256(json.dumps(sorted(tags)).encode()).hexdigest()[:16]


def write_slip(slip: Slip) -> str:
    """A slip as one line of ASCII, sealed; `read_slip` gives the same one back.

    >>> slip = Slip("7", "ab", ("title",), "cd", "ef", (ShownTag("a", "model", "v1", 0.5),))
    >>> read_slip(write_slip(slip)) == slip
    True
    """
    plain = {
        "tagnet": _SLIP_VERSION,
        "project_id": slip.project_id,
        "content_hash": slip.content_hash,
        "features": list(slip.features),
        "text_hash": slip.text_hash,
        "tag_set": slip.tag_set,
        "shown": [[each.tag, each.source, each.model_version, each.probability] for each in slip.shown],
    }
    if slip.asked:
        plain["asked"] = slip.asked
    return json.dumps({**plain, "seal": _seal(plain)}, separators=(",", ":"))


def read_slip(value: object) -> Slip:
    """The slip that a tool gave back: the text that `write_slip` made, or that text parsed as JSON.

    Raises:
        LabelingError: it is no slip, or one that was cut or edited; what it found stands alone, without a file's name.
    """
    plain: Any = value
    if isinstance(value, str):
        try:
            plain = json.loads(value)
        except (ValueError, RecursionError):
            plain = None
    if not isinstance(plain, Mapping) or plain.get("tagnet") != _SLIP_VERSION:
        found = "nothing" if value is None or value == "" else describe(value)
        raise LabelingError(f"expected the slip that tagnet put into each of its tasks, found {found}")
    body = {key: each for key, each in plain.items() if key != "seal"}
    if plain.get("seal") != _seal(body):
        raise LabelingError("its slip was edited on the way: the seal is not that of its content")
    try:
        return Slip(
            project_id=body["project_id"],
            content_hash=body["content_hash"],
            features=tuple(body["features"]),
            text_hash=body["text_hash"],
            tag_set=body["tag_set"],
            shown=tuple(ShownTag(*each) for each in body["shown"]),
            asked=body.get("asked", ""),
        )
    except (KeyError, TypeError) as fault:
        raise LabelingError(f"its slip is of another format ({fault})") from fault


def _seal(plain: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]
