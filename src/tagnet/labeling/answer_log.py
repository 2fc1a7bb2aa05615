"""The log of answers: a JSON Lines file that only grows, and the provenance of each answer beside it.

`answers.jsonl` holds one answer a line, with exactly the keys of `Answer`. `answers.provenance.jsonl` holds, for each
answer's `key`, from which tool and file it came and what was shown; so the answers themselves stay plain. An answer
that is there already is not written again, so that importing or pulling twice makes no second one: pass whatever you
have to `extend_log`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagnet.atomic import one_at_a_time, write_text
from tagnet.errors import LabelingError
from tagnet.labeling.answers import Answer, answer_from_plain, answer_to_plain
from tagnet.labeling.tasks import Slip, read_slip, write_slip
from tagnet.records.json_files import describe_fault, read_text


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an answer comes from."""

    answer: str
    """The answer's key."""
    tool: str
    file: str
    """The name of the tool's file, or the address of its server."""
    file_sha256: str | None
    """None where there was no file."""
    slip: Slip
    """What was sent: the text's hash, what was shown, the version of the tag set."""


@dataclass(frozen=True)
class AnswerLog:
    """What a log holds."""

    answers: tuple[Answer, ...]
    """In the order of the file."""
    lines: tuple[str, ...]
    """As they stand in the file."""
    origins: Mapping[str, Origin]
    """By the answer's key; answers that came from elsewhere have none."""

    def fingerprint(self, count: int) -> str:
        """SHA-256, in hex, of the first `count` lines: the same for every longer log."""
        return hashlib.sha256("".join(line + "\n" for line in self.lines[:count]).encode()).hexdigest()


def provenance_path(log: Path) -> Path:
    """Where the provenance of a log stands.

    >>> provenance_path(Path("answers.jsonl")).name
    'answers.provenance.jsonl'
    """
    return log.with_name(f"{log.stem}.provenance.jsonl")


def read_log(path: Path) -> AnswerLog:
    """Read a log and its provenance.

    Raises:
        LabelingError: the log is missing, or a line of it, or of its provenance, is broken.
    """
    answers, lines = [], []
    for place, line, plain in _read_lines(path, "an answer"):
        answers.append(answer_from_plain(plain, place))
        lines.append(line)
    return AnswerLog(tuple(answers), tuple(lines), _read_origins(provenance_path(path)))


def extend_log(path: Path, new: Iterable[tuple[Answer, Origin]]) -> int:
    """Write those of some answers that the log does not hold yet behind those that it holds; how many there were.

    Of several processes that do so at a time one waits for the other.

    Raises:
        LabelingError: what is there is no log.
        RunDirectoryError: the files cannot be written; what was there stays.
    """
    with one_at_a_time(path):
        return _extend(path, list(new))


def _extend(path: Path, new: Sequence[tuple[Answer, Origin]]) -> int:
    log = _read_or_none(path)
    fresh = _fresh(log, new)
    # The provenance first: an answer whose provenance was lost on the way would be taken on trust.
    if fresh:
        origins = {**log.origins, **{answer.key: origin for answer, origin in fresh}}
        write_text(provenance_path(path), "".join(_origin_line(each) + "\n" for each in origins.values()))
    if fresh or not path.is_file():
        lines = [*log.lines, *(json.dumps(answer_to_plain(answer), ensure_ascii=True) for answer, _ in fresh)]
        write_text(path, "".join(line + "\n" for line in lines))
    return len(fresh)


def count_new(path: Path, new: Iterable[tuple[Answer, Origin]]) -> int:
    """How many of some answers `extend_log` would write; raises as `read_log`, but for a log that is not there."""
    return len(_fresh(_read_or_none(path), list(new)))


def _read_or_none(path: Path) -> AnswerLog:
    return read_log(path) if path.is_file() and path.stat().st_size else AnswerLog((), (), {})


def _fresh(log: AnswerLog, new: Sequence[tuple[Answer, Origin]]) -> list[tuple[Answer, Origin]]:
    """Those that the log does not hold yet, in their order.

    An answer with a time is the same one wherever it stands. One without a time is known when it is what the annotator
    said last of that record, and the text is the same: people come back to an earlier answer.
    """
    timed: set[_Mark] = set()
    last: dict[tuple[str, str | None], list[_Mark]] = {}
    for answer in log.answers:
        origin = log.origins.get(answer.key)
        mark = (answer.key, origin.slip.content_hash if origin is not None else None)
        timed.add(mark)
        last.setdefault(_who(answer), []).append(mark)
    come: dict[tuple[str, str | None], list[_Mark]] = {}
    places: dict[tuple[str, str | None], list[int]] = {}
    fresh: set[int] = set()
    for place, (answer, origin) in enumerate(new):
        mark = (answer.key, origin.slip.content_hash)
        if answer.at is not None:
            if not timed & {mark, (answer.key, None)}:
                timed.add(mark)
                fresh.add(place)
        elif come.get(_who(answer), [None])[-1] != mark:
            come.setdefault(_who(answer), []).append(mark)
            places.setdefault(_who(answer), []).append(place)
    for who, marks in come.items():
        fresh.update(places[who][_overlap(last.get(who, []), marks) :])
    return [new[place] for place in sorted(fresh)]


_Mark = tuple[str, str | None]
"""An answer's key, and the hash of the text that it is about, None where that is not known."""


def _who(answer: Answer) -> tuple[str, str | None]:
    return str(answer.project_id), answer.annotator


def _overlap(before: Sequence[_Mark], marks: Sequence[_Mark]) -> int:
    """How many of the first marks are the last ones before.

    >>> _overlap([("a", "1"), ("b", "1")], [("b", "1"), ("c", "1")]), _overlap([("a", "1")], [("b", "1")])
    (1, 0)
    """
    for size in range(min(len(before), len(marks)), 0, -1):
        pairs = zip(before[-size:], marks[:size], strict=True)
        if all(old[0] == mark[0] and old[1] in (mark[1], None) for old, mark in pairs):
            return size
    return 0


def _origin_line(origin: Origin) -> str:
    plain = {
        "answer": origin.answer,
        "tool": origin.tool,
        "file": origin.file,
        "file_sha256": origin.file_sha256,
        "sent": json.loads(write_slip(origin.slip)),
    }
    return json.dumps(plain, ensure_ascii=True)


def _read_origins(path: Path) -> dict[str, Origin]:
    if not path.is_file():
        return {}
    origins = {}
    for place, _, plain in _read_lines(path, "the provenance of an answer"):
        try:
            origin = Origin(
                plain["answer"], plain["tool"], plain["file"], plain["file_sha256"], read_slip(plain["sent"])
            )
        except (KeyError, TypeError, LabelingError) as fault:
            raise LabelingError(
                f"{place}: expected the provenance of an answer, found another line ({fault})"
            ) from fault
        origins[origin.answer] = origin
    return origins


def _read_lines(path: Path, expected: str) -> Iterable[tuple[str, str, Any]]:
    for number, line in enumerate(read_text(path, LabelingError).split("\n"), 1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            yield place, line, json.loads(line)
        except (ValueError, RecursionError) as fault:
            raise LabelingError(f"{place}: expected {expected}, found {describe_fault(fault, number)}") from fault
