"""How a project stands: counts of what `pull` has read, and of records that are held against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tagnet.labeling.label_studio_server.pull import Pulled
from tagnet.labeling.label_studio_server.task_pages import key_of
from tagnet.labeling.tasks import LabelTask


@dataclass(frozen=True)
class Against:
    """Records held against a project."""

    to_push: int
    """Records of which no task shows the text that they have now."""
    earlier_text: int
    """Tasks of records whose text has changed since."""
    other_records: int
    """Tasks of records that are not among them."""


@dataclass(frozen=True)
class Status:
    """Numbers of tasks, but for `answers`."""

    tasks: int
    """Ours, as they were sent."""
    answered: int
    """Of these, with an answer."""
    skipped: int
    """Of these, only skipped."""
    waiting: int
    foreign: int
    """Not sent by tagnet, or with a slip that was edited."""
    edited: int
    """Ours, with a text that was edited on the server."""
    doubles: int
    """Of a record and text that another task shows, too."""
    answers: Mapping[str | None, int]
    """Annotator → answers, skipped ones among them."""
    against: Against | None
    """None where no records were given."""


def status(pulled: Pulled, tasks: Sequence[LabelTask] | None = None) -> Status:
    """Count.

    Args:
        pulled: what `pull` has read.
        tasks: of the records to hold against it, or None.
    """
    numbers = {task.number for task in pulled.tasks if task.key is not None}
    answered = {each.number for each in pulled.answers if each.reply.chosen is not None or each.reply.unclear}
    skipped = {each.number for each in pulled.answers} - answered
    keys = Counter(task.key for task in pulled.tasks if task.key is not None)
    against = None
    if tasks is not None:
        wanted = {key_of(task.slip) for task in tasks}
        records = {identity for identity, _ in wanted}
        against = Against(
            len(wanted - set(keys)),
            sum(count for key, count in keys.items() if key not in wanted and key[0] in records),
            sum(count for key, count in keys.items() if key[0] not in records),
        )
    return Status(
        tasks=len(numbers),
        answered=len(numbers & answered),
        skipped=len(numbers & skipped),
        waiting=len(numbers - answered - skipped),
        foreign=sum(task.slip is None for task in pulled.tasks),
        edited=sum(task.edited for task in pulled.tasks),
        doubles=sum(keys.values()) - len(keys),
        answers=Counter(each.reply.annotator for each in pulled.answers),
        against=against,
    )
