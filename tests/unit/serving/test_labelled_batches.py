"""A command for each batch of finished tasks, and no batch twice."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tagnet.errors import RunDirectoryError
from tagnet.labeling.tasks import LabelTask, make_batch, write_slip
from tagnet.records.record import Record
from tagnet.serving.label_studio_events import Event, EventFile, read_event
from tagnet.serving.labelled_batches import LabelledBatches

SAYS = "import os, sys; open(sys.argv[1], 'a').write(os.environ['TAGNET_LABELLED_BATCH'] + '\\n')"
WAITS = "import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[2]).exists(): time.sleep(0.01)\n"


def event(number: int, *, task: int | None = None, answered: bool = True) -> Event:
    name = f"task {number if task is None else task}"
    return Event(f"event {number}", "ANNOTATION_CREATED", number, name, None, answered)


def until(condition: Callable[[], object]) -> None:
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come about")


@pytest.fixture
def started(tmp_path: Path) -> Path:
    path = tmp_path / "started.txt"
    path.touch()
    return path


@pytest.fixture
def begin(tmp_path: Path, started: Path) -> Iterator[Callable[..., LabelledBatches]]:
    """Batches of two that write their number down; `script` does it first."""
    made: list[LabelledBatches] = []

    def run(size: int = 2, *, script: str = "", command: list[str] | None = None) -> LabelledBatches:
        words = [sys.executable, "-c", script + SAYS, str(started), str(tmp_path / "go")]
        made.append(LabelledBatches(EventFile(tmp_path / "events.jsonl"), command or words, size))
        made[-1].open()
        return made[-1]

    yield run
    for each in made:
        each.close()
    until(lambda: not any("_run" in thread.name for thread in threading.enumerate()))


def numbers(started: Path) -> list[str]:
    return started.read_text().split()


def test_one_start_a_batch(begin: Callable[..., LabelledBatches], started: Path) -> None:
    batches = begin()
    assert batches.add([event(1)]) == 1
    assert batches.add([event(1), event(1)]) == 0
    assert batches.add([event(2, task=1)]) == 1  # the same task again
    assert batches.add([event(3, answered=False)]) == 1  # skipped
    assert numbers(started) == []
    assert batches.add([event(4)]) == 1
    until(lambda: numbers(started) == ["1"])
    batches.add([event(n) for n in range(5, 10)])
    until(lambda: numbers(started) == ["1", "2", "3"])
    for n in range(1, 10):
        assert batches.add([event(n)]) == 0
    time.sleep(0.1)
    assert numbers(started) == ["1", "2", "3"]


def test_a_restart_starts_no_batch_again(begin: Callable[..., LabelledBatches], started: Path) -> None:
    first = begin()
    first.add([event(1), event(2), event(3)])
    until(lambda: numbers(started) == ["1"])
    first.close()
    second = begin()
    second.add([event(1), event(2), event(3)])
    time.sleep(0.1)
    assert numbers(started) == ["1"]
    second.add([event(4)])
    until(lambda: numbers(started) == ["1", "2"])


def test_another_size_counts_from_the_last_batch(begin: Callable[..., LabelledBatches], started: Path) -> None:
    first = begin(2)
    first.add([event(1), event(2)])
    until(lambda: numbers(started) == ["1"])
    first.close()
    second = begin(3)
    second.add([event(3), event(4)])
    assert numbers(started) == ["1"]
    second.add([event(5)])
    until(lambda: numbers(started) == ["1", "2"])


def test_what_was_full_when_the_server_stopped_starts_with_the_next(
    begin: Callable[..., LabelledBatches], started: Path, tmp_path: Path
) -> None:
    file = EventFile(tmp_path / "events.jsonl")
    file.open()
    file.add([event(1), event(2)])
    file.close()
    begin()
    until(lambda: numbers(started) == ["1"])


def test_commands_run_one_after_another(begin: Callable[..., LabelledBatches], started: Path, tmp_path: Path) -> None:
    batches = begin(script=WAITS)
    batches.add([event(n) for n in range(1, 5)])
    time.sleep(0.2)
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert sum("batch" in json.loads(line) for line in lines) == 1
    (tmp_path / "go").touch()
    until(lambda: numbers(started) == ["1", "2"])


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ([sys.executable, "-c", "raise SystemExit(3)"], "batch 1: the command has ended with 3"),
        (["/nowhere/at/all"], "batch 1: the command cannot be started"),
    ],
)
def test_a_command_that_fails_is_said_and_not_repeated(
    begin: Callable[..., LabelledBatches], caplog: pytest.LogCaptureFixture, command: list[str], said: str
) -> None:
    with caplog.at_level(logging.ERROR, "tagnet.serving"):
        batches = begin(command=command)
        batches.add([event(1), event(2)])
        until(lambda: said in caplog.text)
        batches.add([event(3)])
    assert len(caplog.records) == 1


def test_another_file_is_not_taken_for_events(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for content in ('{"project_id": 1}\n', "[1]\n", '{"event": "x"}\n', "nothing\n{}\n"):
        path.write_text(content)
        with pytest.raises(RunDirectoryError, match=r"--label-studio-events .*, line 1: expected an event"):
            EventFile(path).open()
        assert path.read_text() == content


def test_a_server_that_stops_takes_no_events(begin: Callable[..., LabelledBatches]) -> None:
    batches = begin()
    batches.close()
    with pytest.raises(OSError, match="the server stops"):
        batches.add([event(1)])


def test_a_task_of_ours_is_known_by_record_and_text_whatever_its_number() -> None:
    def said(task: LabelTask, number: int, **data: Any) -> Event:
        slip = task.slip
        whole = {"project_id": slip.project_id, "text": task.text, "tagnet": write_slip(slip), **data}
        annotation = {"id": 5, "task": number, "was_cancelled": False}
        (found,) = read_event(
            {"action": "ANNOTATION_CREATED", "annotation": annotation, "task": {"id": number, "data": whole}}
        )
        return found

    records = [Record("seven", {"title": "a"}, (), None), Record("seven", {"title": "b"}, (), None)]
    one, other = make_batch(records, ["title"]).tasks
    assert said(one, 1).task == said(one, 2).task
    assert said(one, 1).project_id == "seven"
    assert said(other, 1).task != said(one, 1).task
    assert said(one, 1, project_id="eight").project_id is None
