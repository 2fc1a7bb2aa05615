"""A version of the records: a new file that was never there before, and how it came about beside it.

`new.json` has `new.version.json` beside it: the fingerprint of the file, which a training run on it records; the step
that led to it, and all steps before, down to records that nobody merged; each change with who, when, from which tool,
and what was shown; conflicts and agreement. From the first records and the logs of answers any version can be built
again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tagnet.atomic import write_json, write_text
from tagnet.errors import LabelingError
from tagnet.labeling.answer_log import AnswerLog
from tagnet.labeling.answers import Answer
from tagnet.labeling.labelled_rows import LabelledRows, render_version
from tagnet.labeling.merge import Merged
from tagnet.records.json_files import describe, read_json
from tagnet.records.taxonomy import Taxonomy, to_rows

_FORMAT = 1


@dataclass(frozen=True)
class Step:
    """One merge: from which records, by which answers and rule, to which version."""

    records: str
    """Fingerprint of the file that was merged into."""
    answers: str
    """Fingerprint of the lines of the log that were read."""
    num_answers: int
    """How many lines that were, from the first on."""
    rule: str
    columns: Mapping[str, str]
    taxonomy: Sequence[Mapping[str, Any]] | None
    """Its entries, where there was one."""
    held_back: Sequence[str]
    """The keys of answers that were not used."""
    suffix: str
    """What the version's name ended in, which says its format."""
    result: str
    """Fingerprint of the version."""


def version_path(output: Path) -> Path:
    """Where the provenance of a version stands.

    >>> version_path(Path("new.json")).name
    'new.version.json'
    """
    return output.with_name(f"{output.stem}.version.json")


def fingerprint_of(text: str) -> str:
    """SHA-256, in hex, of a file with this text."""
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def write_version(
    output: Path,
    records: LabelledRows,
    log: AnswerLog,
    merged: Merged,
    *,
    rule: str,
    taxonomy: Taxonomy | None,
    log_name: str,
) -> str:
    """Write a version and its provenance; its fingerprint.

    Raises:
        LabelingError: another file has that name, or its format is not that of the records; or a version of another
            format has the provenance that this one would have.
        RunDirectoryError: the files cannot be written.
    """
    text = render_version(records, merged.tags, output)
    fingerprint = fingerprint_of(text)
    check_is_new(output, fingerprint)
    _check_provenance_is_free(output)
    if output.exists() and output.stat().st_size and version_path(output).is_file():
        return fingerprint
    step = Step(
        records=records.fingerprint,
        answers=log.fingerprint(len(log.lines)),
        num_answers=len(log.lines),
        rule=rule,
        columns=dict(records.schema.columns),
        taxonomy=to_rows(taxonomy) if taxonomy is not None else None,
        held_back=merged.held_back,
        suffix=output.suffix.lower(),
        result=fingerprint,
    )
    answers = {answer.key: answer for answer in log.answers}
    plain = {
        "format_version": _FORMAT,
        "fingerprint": fingerprint,
        "records": Path(records.source).name,
        "answers": log_name,
        "steps": [*(asdict(each) for each in _steps_before(records)), asdict(step)],
        "counts": {
            "records": len(records.rows),
            "answered": merged.num_answered,
            "skipped": merged.num_skipped,
            "changed": len(merged.changes),
            "conflicts": len(merged.conflicts),
            "held_back": len(merged.held_back),
        },
        "changes": [
            {
                "project_id": change.project_id,
                "before": change.before,
                "after": change.after,
                "added": change.added,
                "removed": change.removed,
                "answers": [_provenance(answers[key], log) for key in change.answers],
            }
            for change in merged.changes
        ],
        "conflicts": [asdict(conflict) for conflict in merged.conflicts],
        "agreement": [asdict(row) for row in merged.agreement],
    }
    # The provenance first: a version is never there without it.
    write_json(version_path(output), plain)
    write_text(output, text)
    return fingerprint


def check_is_new(output: Path, fingerprint: str) -> None:
    """Refuse a name that another version, or any other file, already has; the same version may be written again.

    Raises:
        LabelingError: there is a file of other content.
    """
    if not output.exists():
        return
    if output.is_dir() or (output.stat().st_size and hashlib.sha256(output.read_bytes()).hexdigest() != fingerprint):
        raise LabelingError(
            f"--output {output}: expected the name of a new file, found one of other content; versions are never "
            "overwritten.\nChoose another name."
        )


def _check_provenance_is_free(output: Path) -> None:
    """Refuse a name that differs from that of another version by its ending alone: both would have one provenance."""
    path = version_path(output)
    other = output.with_suffix(read_steps(path)[-1].suffix) if path.is_file() else output
    if other.suffix != output.suffix.lower() and other.is_file():
        raise LabelingError(
            f"--output {output}: expected a name of its own, found that of {other.name}, whose provenance stands in "
            f"{path.name}.\nChoose another name."
        )


def read_steps(path: Path) -> list[Step]:
    """The steps that led to a version, at least one, the first one first.

    Raises:
        LabelingError: the file is missing, or no provenance of a version.
    """
    plain = read_json(path, "the provenance of a version", LabelingError)
    try:
        if plain["format_version"] != _FORMAT or not plain["steps"]:
            raise KeyError("format_version")
        return [Step(**step) for step in plain["steps"]]
    except (KeyError, TypeError) as fault:
        raise LabelingError(f"{path}: expected the provenance of a version, found {describe(plain)}") from fault


def _steps_before(records: LabelledRows) -> list[Step]:
    """The steps of the records that are merged into, where they are a version themselves."""
    path = version_path(Path(records.source))
    if not path.is_file():
        return []
    steps = read_steps(path)
    return steps if steps[-1].result == records.fingerprint else []


def _provenance(answer: Answer, log: AnswerLog) -> dict[str, Any]:
    """Who, when, from which tool, and what was shown."""
    origin = log.origins.get(answer.key)
    sent = origin.slip if origin is not None else None
    return {
        "answer": answer.key,
        "annotator": answer.annotator,
        "at": answer.at,
        "comment": answer.comment,
        "tool": origin.tool if origin is not None else None,
        "file": origin.file if origin is not None else None,
        "file_sha256": origin.file_sha256 if origin is not None else None,
        "tag_set": sent.tag_set if sent is not None else None,
        "shown": [asdict(each) for each in sent.shown] if sent is not None else None,
    }
