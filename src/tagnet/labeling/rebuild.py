"""Any version again, from the first records and the logs of answers."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from tagnet.atomic import write_text
from tagnet.errors import LabelingError
from tagnet.labeling.answer_log import AnswerLog
from tagnet.labeling.labelled_rows import LabelledRows, read_labelled_rows, render_version
from tagnet.labeling.merge import merge
from tagnet.labeling.resolve import check_rule
from tagnet.labeling.version import Step, check_is_new, fingerprint_of
from tagnet.records.taxonomy import build_taxonomy


def rebuild(steps: Sequence[Step], source: str, logs: Sequence[AnswerLog], output: Path) -> str:
    """Take the steps that led to a version again, from any of the records on the way; the version's fingerprint.

    Args:
        steps: `version.read_steps`.
        source: the first records, or a version in between.
        logs: those that the steps read; they may have grown since.
        output: the new file.

    Raises:
        LabelingError: the records or a log are not those of the steps, or something else came out.
    """
    records = read_labelled_rows(source, steps[0].columns)
    first = next((n for n, step in enumerate(steps) if step.records == records.fingerprint), None)
    if first is None:
        raise LabelingError(
            f"{source}: expected records with the fingerprint {steps[0].records[:16]}…, from which the version was "
            f"merged, found {records.fingerprint[:16]}…"
        )
    if output.suffix.lower() != steps[-1].suffix:
        raise LabelingError(f"--output {output}: expected a name that ends in {steps[-1].suffix}, as the version's did")
    text = ""
    with tempfile.TemporaryDirectory() as folder:
        for number, step in enumerate(steps[first:], first + 1):
            text = _take(step, records, logs, f"step {number} of {len(steps)}")
            between = Path(folder) / f"{number}{step.suffix}"
            write_text(between, text)
            records = read_labelled_rows(str(between), step.columns)
    fingerprint = fingerprint_of(text)
    check_is_new(output, fingerprint)
    write_text(output, text)
    return fingerprint


def _take(step: Step, records: LabelledRows, logs: Sequence[AnswerLog], place: str) -> str:
    log = next((each for each in logs if _holds(each, step)), None)
    if log is None:
        raise LabelingError(
            f"{place}: expected a log whose first {step.num_answers} answers have the fingerprint "
            f"{step.answers[:16]}…, found none among the given ones; name it with --answers"
        )
    taxonomy = build_taxonomy(step.taxonomy, place) if step.taxonomy is not None else None
    answers = log.answers[: step.num_answers]
    merged = merge(
        records, answers, log.origins, rule=check_rule(step.rule), taxonomy=taxonomy, held_back=step.held_back
    )
    text = render_version(records, merged.tags, Path(f"version{step.suffix}"))
    found = fingerprint_of(text)
    if found != step.result:
        raise LabelingError(
            f"{place}: expected a version with the fingerprint {step.result[:16]}…, found {found[:16]}…\n"
            "The provenance of the answers, or a library, is not the one of then."
        )
    return text


def _holds(log: AnswerLog, step: Step) -> bool:
    return len(log.lines) >= step.num_answers and log.fingerprint(step.num_answers) == step.answers
