"""Answers into records: which tags each record has next, why, and what a person has to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tagnet.labeling.agreement import TagAgreement, agreement
from tagnet.labeling.answer_log import Origin
from tagnet.labeling.answers import Answer, answer_to_plain
from tagnet.labeling.canonical import canonical
from tagnet.labeling.labelled_rows import LabelledRows
from tagnet.labeling.resolve import Rule, resolve, votes
from tagnet.labeling.review import Reason, ReviewEntry
from tagnet.records.record import RecordId, content_hash
from tagnet.records.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True)
class Change:
    """A record whose tags are others now."""

    project_id: RecordId
    before: tuple[str, ...]
    after: tuple[str, ...]
    answers: tuple[str, ...]
    """The keys of the answers that counted."""

    @property
    def added(self) -> tuple[str, ...]:
        """The tags that are new."""
        return tuple(tag for tag in self.after if tag not in self.before)

    @property
    def removed(self) -> tuple[str, ...]:
        """The tags that are gone."""
        return tuple(tag for tag in self.before if tag not in self.after)


@dataclass(frozen=True, slots=True)
class Conflict:
    """A record of which annotators want different tags."""

    project_id: RecordId
    disputed: Mapping[str, tuple[str | None, ...]]
    """Tag → who wants it, for the tags that not all want."""
    annotators: tuple[str | None, ...]
    """All whose answers counted, the latest last."""
    resolved: tuple[str, ...]
    """What the rule made of it."""


@dataclass(frozen=True)
class Merged:
    """What merging comes to, before anything is written."""

    tags: Mapping[int, tuple[str, ...]]
    """Place of a row, from 0 → its tags, for the rows whose tags change."""
    changes: tuple[Change, ...]
    conflicts: tuple[Conflict, ...]
    agreement: tuple[TagAgreement, ...]
    review: tuple[ReviewEntry, ...]
    held_back: tuple[str, ...]
    """The keys of answers that were not used, for they are about other records or texts."""
    num_answered: int
    """Records with an answer that counted."""
    num_skipped: int
    """Records with answers, of which none counted: all who answered skipped."""


def merge(
    records: LabelledRows,
    answers: Sequence[Answer],
    origins: Mapping[str, Origin],
    *,
    rule: Rule = "latest",
    taxonomy: Taxonomy | None = None,
    held_back: Sequence[str] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Merged:
    """Put answers into records.

    A record gets the tags that its answer keeps and adds, in the order in which it had them, the new ones behind. An
    answer to a text that has changed since it was sent is held back for review. So are, with a taxonomy, added tags
    that it does not know. Tags that the record has got since, of which the answer was shown nothing, stay.

    Args:
        records: the last version.
        answers: in the order of the log.
        origins: by the answer's key; an answer without one is taken on trust.
        rule: whose tags a record gets that several annotators answered.
        taxonomy: resolves aliases and adds parents in the records that were answered; None: no tag is changed,
            resolved or added.
        held_back: the keys to hold back, where that was found out before, as for a version that is rebuilt.
        progress: as in `resolve`.

    Raises:
        MissingExtraError: the rule needs the label extra.
    """
    place_of = {str(identity): place for place, identity in enumerate(records.ids)}
    review: list[ReviewEntry] = []
    held: list[str] = []
    given: dict[str, list[Answer]] = {}
    for answer in answers:
        fault = _fault(records, place_of, answer, origins.get(answer.key))
        if fault is not None:
            review.append(fault)
        if answer.key in held_back if held_back is not None else fault is not None:
            held.append(answer.key)
        elif str(answer.project_id) in place_of:
            given.setdefault(str(answer.project_id), []).append(answer)
    all_votes = {record: votes(each) for record, each in given.items()}
    votes_of = {record: each for record, each in all_votes.items() if each}
    resolved = resolve(votes_of, {record: records.tags[place_of[record]] for record in votes_of}, rule, progress)
    tags: dict[int, tuple[str, ...]] = {}
    changes: list[Change] = []
    conflicts: list[Conflict] = []
    for record in sorted(votes_of, key=place_of.__getitem__):
        place = place_of[record]
        identity, before, counted = records.ids[place], records.tags[place], votes_of[record]
        after = _in_order(before, resolved[record])
        if taxonomy is not None:
            after, entries = _by_taxonomy(after, before, counted, taxonomy)
            review += entries
        after, entry = _with_unseen(after, before, counted, origins)
        review += [entry] if entry is not None else []
        if after != before:
            tags[place] = after
            changes.append(Change(identity, before, after, tuple(answer.key for answer in counted)))
        conflict = _conflict(identity, counted, after)
        conflicts += [conflict] if conflict is not None else []
    return Merged(
        tags,
        tuple(changes),
        tuple(conflicts),
        agreement(votes_of),
        tuple(review),
        tuple(held),
        len(votes_of),
        len(all_votes) - len(votes_of),
    )


def _fault(
    records: LabelledRows, place_of: Mapping[str, int], answer: Answer, origin: Origin | None
) -> ReviewEntry | None:
    """Why an answer cannot be used on these records, if it cannot."""
    place = place_of.get(str(answer.project_id))
    if place is None:
        detail = f"expected a record of {records.source}, found none with this id; not used"
        return _entry("unknown_record", answer, answer.tags, detail)
    if origin is not None:
        slip = origin.slip
        if content_hash(records.fields(place, slip.features), slip.features) != slip.content_hash:
            detail = f"the {' or '.join(slip.features)} of the record is not the one that was sent; not used"
            return _entry("text_changed", answer, answer.tags, detail)
    return None


def _in_order(before: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """The wanted tags: those that were there in their order, then the others.

    >>> _in_order(["a", "b", "c"], ["d", "c", "a"])
    ('a', 'c', 'd')
    """
    return tuple(dict.fromkeys([*(tag for tag in before if tag in wanted), *wanted]))


def _by_taxonomy(
    after: tuple[str, ...], before: Sequence[str], counted: Sequence[Answer], taxonomy: Taxonomy
) -> tuple[tuple[str, ...], list[ReviewEntry]]:
    """Tags in the taxonomy's words, without added ones that it does not know."""
    ruled = canonical(after, taxonomy)
    known = {*before, *(tag for answer in counted for tag in answer.kept)}
    strange = [tag for tag in ruled.outside if tag not in known]
    back = [tag for tag in ruled.parents if any(tag in answer.removed for answer in counted)]
    entries = []
    if strange:
        detail = "not among the tags of the taxonomy; left out of the records"
        entries.append(_entry("unknown_tags", counted[-1], strange, detail))
    if back:
        detail = "removed, but the taxonomy puts them above a tag of the record; they stay"
        entries.append(_entry("contradicts_parents", counted[-1], back, detail))
    return _in_order(before, [tag for tag in ruled.tags if tag not in strange]), entries


def _with_unseen(
    after: tuple[str, ...], before: Sequence[str], counted: Sequence[Answer], origins: Mapping[str, Origin]
) -> tuple[tuple[str, ...], ReviewEntry | None]:
    """Tags with those that no answer was asked about; an answer without provenance is taken for the whole truth."""
    seen = {tag for answer in counted for tag in (*answer.kept, *answer.added, *answer.removed)}
    unseen = [tag for tag in before if tag not in seen and tag not in after]
    if not unseen:
        return after, None
    if all(answer.key in origins for answer in counted):
        detail = (
            "the record has got these tags since it was sent; they stay, for the annotator was shown nothing of them"
        )
        return _in_order(before, (*after, *unseen)), _entry("tags_moved_on", counted[-1], unseen, detail)
    detail = "the answer neither keeps nor removes these tags of the record; they are gone"
    return after, _entry("tags_moved_on", counted[-1], unseen, detail)


def _conflict(identity: RecordId, counted: Sequence[Answer], resolved: tuple[str, ...]) -> Conflict | None:
    wanted = dict.fromkeys(tag for answer in counted for tag in answer.tags)
    want = {tag: tuple(answer.annotator for answer in counted if tag in answer.tags) for tag in wanted}
    disputed = {tag: names for tag, names in want.items() if len(names) < len(counted)}
    if not disputed:
        return None
    return Conflict(identity, disputed, tuple(answer.annotator for answer in counted), resolved)


def _entry(reason: Reason, answer: Answer, tags: Sequence[str], detail: str) -> ReviewEntry:
    return ReviewEntry(
        reason,
        answer.project_id,
        answer.annotator,
        tuple(tags),
        detail,
        f"answer {answer.key}",
        answer_to_plain(answer),
    )
