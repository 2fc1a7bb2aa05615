"""The door by which replies come in, from every tool alike: held against what was sent, then answers or review.

Nothing that a tool gave back is dropped: a reply becomes an answer, or an entry of the review that holds it whole, or
both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tagnet.errors import LabelingError
from tagnet.labeling.answer_log import Origin
from tagnet.labeling.answers import Answer, make_answer
from tagnet.labeling.canonical import canonical
from tagnet.labeling.review import Reason, ReviewEntry
from tagnet.labeling.tasks import Slip, read_slip, text_hash
from tagnet.labeling.tools.codec import Replies, Reply, split_words
from tagnet.records.taxonomy import Taxonomy


@dataclass(frozen=True)
class Collected:
    """What came of a tool's replies."""

    answers: tuple[tuple[Answer, Origin], ...]
    review: tuple[ReviewEntry, ...]
    num_waiting: int
    """Tasks that nobody has answered yet."""


def collect(
    replies: Replies,
    *,
    tool: str,
    file: str,
    file_sha256: str | None,
    taxonomy: Taxonomy | None = None,
    annotator: str | None = None,
) -> Collected:
    """Hold replies against the slips that they bring back.

    Args:
        replies: what a codec read, or what came over a tool's API.
        tool: the codec's name.
        file: where they come from, for messages and provenance: a file's name, or a server's address.
        file_sha256: of that file's bytes; None where there is no file.
        taxonomy: resolves aliases and adds parents; None: no tag is changed, resolved or added.
        annotator: who it was, where the tool does not say.

    Raises:
        LabelingError: there are tasks, and not one of them is ours, in a file that another project could have written.
    """
    slips = [_read(reply.slip) for reply in replies.replies]
    everything = [*slips, *map(_read, replies.waiting)]
    faults = [slip for slip in everything if isinstance(slip, LabelingError)]
    if faults and len(faults) == len(everything) and not replies.surely_ours:
        raise LabelingError(
            f"{file}: none of its {len(everything)} tasks is one that tagnet sent; is it another project's export?\n"
            f"The first: {faults[0]}"
        )
    known = set(replies.tags or ()) | _shown_anywhere(everything)
    answers: list[tuple[Answer, Origin]] = []
    review: list[ReviewEntry] = []
    for reply, slip in zip(replies.replies, slips, strict=True):
        if isinstance(slip, LabelingError):
            review.append(_entry("not_our_task", None, reply, (), f"{reply.unclear or slip}; not taken as an answer"))
            continue
        fault = _fault(reply, slip)
        if fault is not None:
            review.append(fault)
            continue
        answer, entries = _answer(reply, slip, taxonomy, known, annotator)
        review += entries
        answers.append((answer, Origin(answer.key, tool, file, file_sha256, slip)))
    return Collected(tuple(answers), tuple(review), len(replies.waiting))


def _read(slip: object) -> Slip | LabelingError:
    try:
        return slip if isinstance(slip, Slip | LabelingError) else read_slip(slip)
    except LabelingError as fault:
        return fault


def _shown_anywhere(slips: Sequence[Slip | LabelingError]) -> set[str]:
    return {each.tag for slip in slips if isinstance(slip, Slip) for each in slip.shown}


def _fault(reply: Reply, slip: Slip) -> ReviewEntry | None:
    """Why a reply to a task of ours is no answer, if it is none."""
    if reply.unclear is not None:
        return _entry("unclear_answer", slip, reply, reply.chosen or (), reply.unclear)
    if reply.text is not None and text_hash(reply.text) != slip.text_hash:
        detail = f"expected a text with the hash {slip.text_hash}, as it was sent, found {text_hash(reply.text)}"
        return _entry("text_changed", slip, reply, reply.chosen or (), f"{detail}; not taken as an answer")
    return None


def _answer(
    reply: Reply, slip: Slip, taxonomy: Taxonomy | None, known: set[str], annotator: str | None
) -> tuple[Answer, list[ReviewEntry]]:
    shown = tuple(each.tag for each in slip.shown)
    chosen = None if reply.chosen is None else split_words(reply.chosen, known)
    entries = []
    if chosen is not None and taxonomy is not None:
        ruled = canonical(chosen, taxonomy)
        strange = [tag for tag in ruled.outside if tag not in shown]
        back = [tag for tag in ruled.parents if tag in shown]
        if back:
            detail = "removed, but the taxonomy puts them above a chosen tag; they stay"
            entries.append(_entry("contradicts_parents", slip, reply, back, detail))
        chosen = ruled.tags
        where = "the tags of the taxonomy"
    else:
        strange = [tag for tag in chosen or () if tag not in known]
        where = "the tags that this file offers or shows"
    if strange:
        detail = f"not among {where}; kept in the answer"
        entries.insert(0, _entry("unknown_tags", slip, reply, strange, detail))
    answer = make_answer(
        slip.project_id,
        shown,
        chosen,
        annotator=reply.annotator or annotator,
        at=reply.at,
        comment=reply.comment,
    )
    return answer, entries


def _entry(reason: Reason, slip: Slip | None, reply: Reply, tags: Sequence[str], detail: str) -> ReviewEntry:
    identity = slip.project_id if slip is not None else None
    return ReviewEntry(reason, identity, reply.annotator, tuple(tags), detail, reply.place, reply.found)
