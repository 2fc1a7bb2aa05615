"""Steps 3 to 5 of a round: the questions are sent, the answers come in, and the next version of the records follows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tagnet.errors import LabelingError
from tagnet.labeling.answer_log import AnswerLog, extend_log, read_log
from tagnet.labeling.answers import Answer
from tagnet.labeling.collect import Collected, collect
from tagnet.labeling.label_studio_server.task_pages import Key, key_of
from tagnet.labeling.labelled_rows import read_labelled_rows
from tagnet.labeling.merge import merge
from tagnet.labeling.resolve import votes
from tagnet.labeling.review import add_to_review, review_path
from tagnet.labeling.version import write_version
from tagnet.workflows.loop_desk import Desk
from tagnet.workflows.loop_files import LoopFiles, digest, file_hash, read_step, step
from tagnet.workflows.loop_plan import LoopPlan
from tagnet.workflows.loop_query import asked_ids, load_tree, make_tasks
from tagnet.workflows.loop_start import Start


@dataclass(frozen=True)
class Waiting:
    """A round whose answers are not all there."""

    number: int
    """Of the round."""
    asked: int
    answered: int
    unclear: int
    """Answers of this round that nobody could read, and that are in the review."""
    how: str
    """What has to happen, in words."""

    @property
    def missing(self) -> int:
        """Questions without an answer."""
        return self.asked - self.answered


@dataclass(frozen=True)
class Merged:
    """A round's answers in the records."""

    version: str
    """The fingerprint of the next version."""
    labelled: tuple[str, ...]
    """Ids, as text, of all records that people have labelled in this loop until now."""
    spent: tuple[str, ...]
    """The same, and of those that they only skipped: none of them is asked again."""
    new_tags: tuple[str, ...]
    """Tags that were answered and that this loop does not learn."""


def send(files: LoopFiles, plan: LoopPlan, start: Start, number: int, found: Mapping[str, Any], desk: Desk) -> None:
    """Take a round's questions to where people answer; done once.

    Raises:
        LabelingError: they cannot be taken there; the same call goes on later.
    """
    place = files.round(number, start.suffix)

    def do() -> dict[str, Any]:
        batch = make_tasks(files, plan, start, number, asked_ids(dict(found)))
        desk.send(place, batch)
        return {"to": desk.place(place), "tasks": [list(key_of(task.slip)) for task in batch.tasks]}

    step(place.step("sent"), {"the questions": digest(found["asked"])}, do)


def fetch(
    files: LoopFiles,
    plan: LoopPlan,
    start: Start,
    number: int,
    asked: Mapping[int, Sequence[str]],
    desk: Desk,
    *,
    partial: bool = False,
) -> Waiting | None:
    """Bring the answers in; None where the round has all that it waits for, which is recorded.

    Args:
        files: of the loop.
        plan: its settings.
        start: its start.
        number: of the round.
        asked: round → ids, as text, that it asked; answers to other records are left where they are.
        desk: where people answer.
        partial: take the answers that are there, at least one, for all.

    Raises:
        LabelingError: what came back cannot be read, or the server cannot be asked.
    """
    place = files.round(number, start.suffix)
    own = list(asked[number])
    inputs = {"the questions": digest(own)}
    path = place.step("answered")
    if path.is_file():
        step(path, inputs, dict)
        return None
    unclear = _collect(files, plan, start, number, {each for ids in asked.values() for each in ids}, own, desk)
    log = read_log(files.answers) if files.answers.is_file() else AnswerLog((), (), {})
    has_answer = {str(answer.project_id) for answer in log.answers}
    answered = [each for each in own if each in has_answer]
    if len(answered) < len(own) and not (partial and answered):
        return Waiting(number, len(own), len(answered), unclear, desk.how_to_answer(place))
    step(path, inputs, lambda: _counted(log, answered))
    return None


def _counted(log: AnswerLog, answered: Sequence[str]) -> dict[str, Any]:
    """The log grows later: only so many of its lines are this round's."""
    return {"lines": len(log.lines), "log": log.fingerprint(len(log.lines)), "answered": list(answered)}


def _collect(
    files: LoopFiles,
    plan: LoopPlan,
    start: Start,
    number: int,
    ours: Collection[str],
    own: Sequence[str],
    desk: Desk,
) -> int:
    """Write what came back into log and review; how many of this round's answers nobody could read."""
    place = files.round(number, start.suffix)
    keys: list[Key] = [(key[0], key[1]) for key in read_step(place.step("sent"))["tasks"]]
    fetched = desk.fetch(place, keys, lambda: make_tasks(files, plan, start, number, own))
    if fetched is None:
        return 0
    found = collect(
        fetched.replies,
        tool=desk.tool,
        file=fetched.file,
        file_sha256=fetched.file_sha256,
        taxonomy=load_tree(plan),
    )
    found = _only(found, ours)
    extend_log(files.answers, found.answers)
    add_to_review(files.answers, found.review)
    return sum(str(entry.project_id) in own and entry.reason == "unclear_answer" for entry in found.review)


def _only(found: Collected, ours: Collection[str]) -> Collected:
    """What is about records that the loop asked: a project may hold more."""
    answers = tuple(each for each in found.answers if str(each[0].project_id) in ours)
    review = tuple(each for each in found.review if each.project_id is None or str(each.project_id) in ours)
    return Collected(answers, review, found.num_waiting)


def put_in(files: LoopFiles, plan: LoopPlan, start: Start, number: int, before: str) -> Merged:
    """Merge the answers until now into a round's version of the records: the next one.

    Args:
        files: of the loop.
        plan: its settings.
        start: its start.
        number: of the round.
        before: the fingerprint of its version.

    Raises:
        LabelingError: log or version are not those that the steps before have left.
    """
    place = files.round(number, start.suffix)
    answered = read_step(place.step("answered"))
    log = _first_lines(files, answered)
    inputs = {f"the records of round {number}": before, "the answers": answered["log"]}
    found = step(place.step("merged"), inputs, lambda: _merge(files, plan, start, number, log))
    path = files.version(number + 1, start.suffix)
    if file_hash(path) != found["version"]:
        raise LabelingError(
            f"{path}: expected the version that round {number} came to, {found['version'][:16]}…, found a file of "
            "other content\nPut it back: `tagnet label rebuild` builds it again of the version before and the answers."
        )
    return Merged(found["version"], tuple(found["labelled"]), tuple(found["spent"]), tuple(found["new_tags"]))


def _first_lines(files: LoopFiles, answered: Mapping[str, Any]) -> AnswerLog:
    log, count = read_log(files.answers), answered["lines"]
    if len(log.lines) < count or log.fingerprint(count) != answered["log"]:
        raise LabelingError(
            f"{files.answers}: expected the {count} answers that were there when they were counted, found others\n"
            "The log only grows: put back the lines that were there."
        )
    return AnswerLog(log.answers[:count], log.lines[:count], log.origins)


def _merge(files: LoopFiles, plan: LoopPlan, start: Start, number: int, log: AnswerLog) -> dict[str, Any]:
    rows = read_labelled_rows(str(files.version(number, start.suffix)), plan.config.data.columns)
    tree = load_tree(plan)
    merged = merge(rows, log.answers, log.origins, rule=plan.resolve, taxonomy=tree)
    output = files.version(number + 1, start.suffix)
    version = write_version(output, rows, log, merged, rule=plan.resolve, taxonomy=tree, log_name=files.answers.name)
    add_to_review(output, merged.review)
    given: dict[str, list[Answer]] = {}
    for answer in log.answers:
        if answer.key not in merged.held_back:
            given.setdefault(str(answer.project_id), []).append(answer)
    labelled = sorted(record for record, answers in given.items() if votes(answers))
    learned = set(start.tags)
    return {
        "version": version,
        "labelled": labelled,
        "spent": sorted({str(answer.project_id) for answer in log.answers}),
        "changed": len(merged.changes),
        "held_back": len(merged.held_back),
        "review": str(review_path(output).name) if merged.review else None,
        "new_tags": sorted({tag for change in merged.changes for tag in change.added} - learned),
    }
