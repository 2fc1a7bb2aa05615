"""A loop's desk on a server: questions once, answers back, tasks that somebody took away, a server that is down."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tagnet.cli.label_loop import _PATIENCE, _PatientDesk
from tagnet.errors import LabelingError
from tagnet.labeling.label_studio_server.connection import Connection
from tagnet.labeling.label_studio_server.task_pages import key_of
from tagnet.labeling.tasks import TaskBatch, make_batch
from tagnet.records.record import Record
from tagnet.workflows.loop_desk import ServerDesk
from tagnet.workflows.loop_files import RoundFiles

PLACE = RoundFiles(Path("rounds/000"), ".json")


@pytest.fixture
def batch() -> TaskBatch:
    records = [Record(number, {"title": f"text {number}"}, (), None) for number in range(3)]
    return make_batch(records, ["title"], declared=["a", "b"])


@pytest.fixture
def desk(connection: Connection) -> ServerDesk:
    return ServerDesk(connection, "Loop", "choices")


def unused() -> TaskBatch:
    raise AssertionError("nothing is lost")


def test_questions_once_and_answers_back(desk: ServerDesk, batch: TaskBatch, studio: Any) -> None:
    keys = [key_of(task.slip) for task in batch.tasks]
    desk.send(PLACE, batch)
    desk.send(PLACE, batch)
    assert len(studio.tasks) == 3
    studio.answer(studio.of_record(1)["id"], ["b"])
    found = desk.fetch(PLACE, keys, unused)
    assert found is not None
    assert [reply.chosen for reply in found.replies.replies] == [("b",)]
    assert len(found.replies.waiting) == 2
    assert "project 'Loop'" in desk.how_to_answer(PLACE)


def test_a_task_that_was_taken_away_is_sent_again(desk: ServerDesk, batch: TaskBatch, studio: Any) -> None:
    desk.send(PLACE, batch)
    del studio.tasks[studio.of_record(2)["id"]]
    desk.fetch(PLACE, [key_of(task.slip) for task in batch.tasks], lambda: batch)
    assert studio.of_record(2)["data"]["text"] == "text 2"
    assert len(studio.tasks) == 3


def test_who_waits_gets_over_a_server_that_is_down_for_a_while(
    desk: ServerDesk, batch: TaskBatch, studio: Any, pauses: list[float]
) -> None:
    said = io.StringIO()
    waits: list[int] = []
    patient = _PatientDesk(desk, Console(file=said, width=200), lambda: waits.append(1))
    keys = [key_of(task.slip) for task in batch.tasks]
    studio.fault("/import", "status", status=500, body=b"{}", times=2)
    patient.send(PLACE, batch)
    assert len(studio.tasks) == 3
    assert len(waits) == 2
    studio.fault("/api/tasks/", "status", status=500, body=b"{}", times=3)
    assert [patient.fetch(PLACE, keys, unused) is None for _ in range(4)] == [True, True, True, False]
    assert said.getvalue().count("warning: looking again: ") == 5
    studio.fault("/api/tasks/", "status", status=500, body=b"{}", times=10**6)
    with pytest.raises(LabelingError):
        _until_it_gives_up(lambda: patient.fetch(PLACE, keys, unused))
    assert said.getvalue().count("warning: looking again: ") == 5 + _PATIENCE


def _until_it_gives_up(look: Callable[[], object]) -> None:
    for _ in range(_PATIENCE + 1):
        assert look() is None
