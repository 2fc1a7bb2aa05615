"""A labelling loop: train, query, send, wait for people, merge, train again; the straight line, step by step.

Every step is done once and recorded (`loop_files`), so that a loop that was stopped or killed at any moment goes on
where it was, and ends as it would have ended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count

from rich.console import Console

from tagnet.labeling.stopping import should_stop
from tagnet.workflows.loop_answers import Merged, Waiting, fetch, put_in, send
from tagnet.workflows.loop_desk import Desk
from tagnet.workflows.loop_files import LoopFiles, file_hash
from tagnet.workflows.loop_plan import LoopPlan, LoopRules
from tagnet.workflows.loop_query import asked_ids, query, waiting
from tagnet.workflows.loop_start import Start, begin
from tagnet.workflows.loop_training import Trained, train
from tagnet.workflows.loop_view import draw

logger = logging.getLogger("tagnet")


@dataclass(frozen=True)
class LoopStop:
    """Why the loop has come to its end."""

    reason: str
    """target, budget, stable, forecast; rounds: people were asked as often as they should be; pool: nothing waits."""
    detail: str
    """In words, with the numbers."""


@dataclass(frozen=True, eq=False)
class Standing:
    """Where a loop stands."""

    start: Start
    rounds: tuple[Trained, ...]
    """Those that were trained, at least one."""
    stop: LoopStop | None
    """Why it has ended; None: it waits for answers."""
    waiting: Waiting | None
    """What for."""


@contextmanager
def _no_bar(doing: str) -> Iterator[Callable[[int, int], object]]:
    yield lambda done, total: None


def run_loop(
    files: LoopFiles,
    plan: LoopPlan,
    rules: LoopRules,
    desk: Desk,
    *,
    wait: Callable[[Waiting], bool],
    partial: bool = False,
    console: Console | None = None,
    bar: Callable[[str], AbstractContextManager[Callable[[int, int], object]]] = _no_bar,
) -> Standing:
    """Go on with a loop until it ends, or waits for people.

    Args:
        files: of the loop; the caller holds them.
        plan: what makes it.
        rules: what ends it.
        desk: where people answer.
        wait: called where answers are missing: True to look again, False to leave.
        partial: for the round that waits, take the answers that are there, at least one, for all.
        console: where progress of training is drawn.
        bar: opens a progress bar for what is being done, and gives what moves it.

    Raises:
        TagnetError: a step cannot be done; what was done stays, and the same call goes on from there.
    """
    start = begin(files, plan)
    _say_start(start)
    version = file_hash(files.version(0, start.suffix))
    labelled, spent = {str(each) for each in start.train}, set[str]()
    rounds: list[Trained] = []
    asked: dict[int, list[str]] = {}
    for number in count():
        place = files.round(number, start.suffix)
        is_new = not place.step("trained").is_file()
        if is_new:
            logger.info("round %d: training on %d labelled records", number, len(labelled))
        rounds.append(train(files, plan, start, number, version, labelled, console))
        # A round that has asked already goes on, whatever the rules say since.
        stop = None if place.step("query").is_file() else _stop(rules, rounds, start, spent)
        if is_new or stop is not None:
            draw(files, plan, rules, start, rounds, stop=None if stop is None else stop.detail)
        if stop is not None:
            return Standing(start, tuple(rounds), stop, None)
        budget = rules.stopping.budget
        size = plan.batch_size if budget is None else min(plan.batch_size, budget - len(labelled))
        with bar("predicting") as progress:
            found = query(files, plan, start, rounds[-1], labelled, spent, size, progress)
        asked[number] = asked_ids(found)
        send(files, plan, start, number, found, desk)
        while (missing := fetch(files, plan, start, number, asked, desk, partial=partial)) is not None:
            draw(files, plan, rules, start, rounds, waiting=missing)
            if not wait(missing):
                return Standing(start, tuple(rounds), None, missing)
        merged = put_in(files, plan, start, number, version)
        _say_merged(number, merged)
        version, spent = merged.version, set(merged.spent)
        labelled = {str(each) for each in start.train} | set(merged.labelled)
    raise AssertionError("rounds are counted without end")


def _stop(rules: LoopRules, rounds: Sequence[Trained], start: Start, spent: set[str]) -> LoopStop | None:
    """The first rule that says stop, by validation records alone."""
    found = should_stop(
        rules.stopping,
        [each.labelled for each in rounds],
        [each.val[rules.metric].value for each in rounds],
        [each.decisions_FK for each in rounds],
    )
    if found is not None:
        return LoopStop(found.reason, found.detail)
    if not waiting(start, spent):
        return LoopStop("pool", "no record waits for labels")
    if rounds[-1].number >= rules.rounds:
        return LoopStop("rounds", f"{rules.rounds} rounds of questions are answered")
    return None


def _say_start(start: Start) -> None:
    logger.info(
        "%d labelled records train, %d validate, %d test; %d wait; %d tags",
        len(start.train),
        len(start.val),
        len(start.test),
        len(start.pool),
        len(start.tags),
    )
    if start.twins:
        logger.info("%d records that wait are left out: their text is nearly that of one that judges", start.twins)
    if start.without_text:
        logger.info("%d records that wait are left out: they have no text", start.without_text)


def _say_merged(number: int, merged: Merged) -> None:
    if merged.new_tags:
        logger.warning(
            "round %d: people chose %d tags that this loop does not learn, such as %r: they stand in the records, for "
            "the next loop",
            number,
            len(merged.new_tags),
            merged.new_tags[0],
        )
