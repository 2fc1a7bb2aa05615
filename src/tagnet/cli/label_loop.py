"""`tagnet label loop`: the labelling loop as one command, with its state on disk."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from tagnet.cli.compose import train_config
from tagnet.cli.console import message_console, result_console, speak_to
from tagnet.cli.label_files import choose_codec
from tagnet.cli.label_server import Server
from tagnet.cli.label_tasks import check_control
from tagnet.config import TrainConfig
from tagnet.errors import ConfigError, LabelingError
from tagnet.labeling.label_studio_server.task_pages import Key
from tagnet.labeling.query.strategies import parse_strategy
from tagnet.labeling.resolve import check_rule
from tagnet.labeling.tasks import TaskBatch
from tagnet.labeling.tools.tagnet_page import TagnetPage
from tagnet.workflows.loop import Standing, run_loop
from tagnet.workflows.loop_answers import Waiting
from tagnet.workflows.loop_desk import Desk, Fetched, FileDesk, ServerDesk
from tagnet.workflows.loop_files import LoopFiles, RoundFiles
from tagnet.workflows.loop_plan import SERVER, LoopPlan, check_plan, read_plan, record_plan, record_rules
from tagnet.workflows.loop_view import ahead_in_words, loop_table

_TAKEN = ("run.dir", "data.records", "labels.untagged")
_PATIENCE = 20
"""Looks in a row that may fail before waiting ends: a server is started anew now and then."""


@dataclass(frozen=True)
class Asked:
    """The command line; None: not given."""

    folder: Path
    settings: tuple[str, ...]
    plan: Mapping[str, Any]
    """Fields of `LoopPlan`."""
    target: str | None
    rules: Mapping[str, Any]
    """`rounds`, and fields of `StoppingRules`."""
    url: str
    token_file: Path | None


def run_label_loop(asked: Asked, *, wait: bool, poll: float, partial: bool) -> None:
    """Run the command."""
    if wait and partial:
        raise ConfigError("--partial: expected no --wait beside it, for it takes the answers that are there already")
    files = LoopFiles(asked.folder)
    plan = _plan(files, asked)
    changed = {name: value for name, value in asked.rules.items() if value is not None} | _target(asked.target)
    messages, results = message_console(), result_console()
    speak_to(messages)
    desk = _desk(plan, asked)
    with files.held():
        record_plan(files, plan)
        rules = record_rules(files, changed)
        standing = run_loop(
            files,
            plan,
            rules,
            _PatientDesk(desk, messages, lambda: time.sleep(poll)) if wait else desk,
            wait=_wait(messages, poll) if wait else lambda missing: False,
            partial=partial,
            console=messages,
            bar=lambda doing: _bar(messages, doing),
        )
    results.print(loop_table(rules, standing.rounds, results))
    ahead = ahead_in_words(plan, rules, standing.rounds)
    if ahead is not None:
        results.print(Text(ahead), soft_wrap=True)
    _say(results, files, standing)


def _plan(files: LoopFiles, asked: Asked) -> LoopPlan:
    """What makes the loop: as it was recorded, with what the command line says, which has to be the same."""
    given = {name: value for name, value in asked.plan.items() if value is not None}
    earlier = read_plan(files)
    if earlier is None and "records" not in given:
        raise ConfigError("--records: expected the records of a new loop, found none; or is --dir another folder?")
    _check(given)
    if given.get("project") is not None and given.get("tool", SERVER) != SERVER:
        raise ConfigError(f"--project: expected a Label Studio server, found --tool {given['tool']}; give one of them")
    if earlier is None:
        if given.get("project") is None and given.get("tool") is None:
            raise ConfigError(
                "expected --project TITLE of a Label Studio server, or --tool TOOL by file; found neither"
            )
        return LoopPlan(config=_config(asked, given["records"]), **given)
    config = earlier.config if not asked.settings else _config(asked, given.get("records", earlier.records))
    plan = replace(earlier, config=config, **given)
    check_plan(files, earlier, plan)
    return plan


def _check(given: Mapping[str, Any]) -> None:
    if "strategy" in given:
        parse_strategy(given["strategy"])
    if "control" in given:
        check_control(given["control"])
    if "resolve" in given:
        check_rule(given["resolve"])


def _config(asked: Asked, records: str) -> TrainConfig:
    """The settings of every run."""
    for text in asked.settings:
        key = text.lstrip("+~").partition("=")[0]
        if key in _TAKEN:
            raise ConfigError(f"{text}: tagnet label loop chooses it; see --dir, --records and --evaluation")
    config = train_config(
        f"data.records={records}", "evaluation.baselines=[]", *asked.settings, f"run.dir={asked.folder}"
    )
    if config.trainer.strategy != "single":
        raise ConfigError(
            f"trainer.strategy: expected single, for a loop trains in its own process, found {config.trainer.strategy}"
        )
    if config.split.file is not None:
        raise ConfigError(
            f"split.file: expected null, for a loop's split stays what it was at its start, found {config.split.file}\n"
            "Say with --evaluation FILE which records judge, and take split.file=null where an experiment names one."
        )
    return replace(config, run=replace(config.run, dir=None))


def _target(word: str | None) -> dict[str, Any]:
    """`f1_macro=.7` as metric and score.

    >>> _target("f1_macro=.7"), _target(None)
    ({'metric': 'f1_macro', 'target': 0.7}, {})
    """
    if word is None:
        return {}
    metric, _, score = word.partition("=")
    try:
        return {"metric": metric, "target": float(score)}
    except ValueError as fault:
        raise ConfigError(f"--target {word}: expected METRIC=SCORE, such as f1_macro=.7") from fault


def _desk(plan: LoopPlan, asked: Asked) -> Desk:
    """Where people answer."""
    if plan.tool == TagnetPage().name:
        raise ConfigError(f"--tool {plan.tool}: expected a tool that takes tasks; tagnet's page asks by itself")
    if plan.project is None:
        return FileDesk(choose_codec(plan.tool, plan.control, None))
    connection = Server(asked.url, plan.project, asked.token_file).connect()
    return ServerDesk(connection, plan.project, check_control(plan.control))


class _PatientDesk:
    """A desk that gets over failures of a server, while somebody waits anyway."""

    def __init__(self, desk: Desk, messages: Console, pause: Callable[[], object]) -> None:
        self._desk, self._messages, self._pause = desk, messages, pause
        self.tool, self.place, self.how_to_answer = desk.tool, desk.place, desk.how_to_answer
        self._failures = 0

    def send(self, round_files: RoundFiles, batch: TaskBatch) -> None:
        """Send, again and again until it is done."""
        while True:
            try:
                self._desk.send(round_files, batch)
            except LabelingError as fault:
                self._failed(fault)
                self._pause()
            else:
                self._failures = 0
                return

    def fetch(self, round_files: RoundFiles, keys: Collection[Key], again: Callable[[], TaskBatch]) -> Fetched | None:
        """Fetch; where it fails, nothing has come back yet."""
        try:
            found = self._desk.fetch(round_files, keys, again)
        except LabelingError as fault:
            self._failed(fault)
            return None
        self._failures = 0
        return found

    def _failed(self, fault: LabelingError) -> None:
        self._failures += 1
        if self._failures > _PATIENCE:
            raise fault
        self._messages.print(Text(f"warning: looking again: {fault}", style="yellow"), soft_wrap=True)


@contextmanager
def _bar(messages: Console, doing: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, and nothing elsewhere."""
    hidden = not messages.is_terminal
    with Progress(console=messages, transient=True, disable=hidden, redirect_stdout=False) as progress:
        task = progress.add_task(doing, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _wait(messages: Console, poll: float) -> Callable[[Waiting], bool]:
    """Wait for some seconds, with a bar of the answers that are there; a pipe gets a line where they change."""
    said: list[Waiting] = []

    def look_again(missing: Waiting) -> bool:
        if not messages.is_terminal and said[-1:] != [missing]:
            said[:] = [missing]
            messages.print(Text(_missing(missing)), soft_wrap=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as progress:
            doing = f"round {missing.number}: waiting for answers (Ctrl-C leaves; the same command goes on)"
            progress.add_task(doing, total=missing.asked, completed=missing.answered)
            time.sleep(poll)
        return True

    return look_again


def _missing(missing: Waiting) -> str:
    unclear = f"; {missing.unclear} answers nobody can read, see the review" if missing.unclear else ""
    return f"round {missing.number}: {missing.missing} of {missing.asked} answers are missing{unclear}"


def _say(results: Console, files: LoopFiles, standing: Standing) -> None:
    """Where it stands, and how to go on."""
    lines = []
    if standing.stop is not None:
        lines.append(f"ended: {standing.stop.detail}")
        lines.append(f"bundle   {files.round(standing.rounds[-1].number, standing.start.suffix).run / 'bundle'}")
        lines.append(f"records  {files.version(standing.rounds[-1].number, standing.start.suffix)}")
    if standing.waiting is not None:
        lines.append(f"waits: {_missing(standing.waiting)}")
        lines.append(f"to do: {standing.waiting.how}")
        lines.append(f"then:  tagnet label loop --dir {shlex.quote(str(files.folder))}")
    lines.append(f"page     {files.page}\nnumbers  {files.curve}")
    results.print(Text("\n".join(lines)), soft_wrap=True)
