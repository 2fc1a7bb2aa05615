"""Answers of a server, through the same door as those of a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.errors import LabelingError
from tagnet.labeling.answer_log import count_new, extend_log
from tagnet.labeling.collect import Collected, collect
from tagnet.labeling.label_studio_server.connection import Connection
from tagnet.labeling.label_studio_server.pull import Pulled, pull
from tagnet.labeling.label_studio_server.push import push
from tagnet.labeling.label_studio_server.status import Against, Status, status
from tagnet.labeling.tasks import TaskBatch
from tagnet.labeling.tools.label_studio import LabelStudio

TITLE = "Tags of projects"


@pytest.fixture
def pushed(studio: Any, connection: Connection, batch: TaskBatch) -> Connection:
    """Three tasks: of record 1 with the tags a and b, of record "2" with b, of record 3 with none."""
    push(connection, TITLE, batch)
    return connection


def collected(pulled: Pulled) -> Collected:
    return collect(pulled.replies, tool="label-studio", file="http://host", file_sha256=None)


def test_all_five_kinds_and_who_it_was(studio: Any, pushed: Connection) -> None:
    studio.answer(1, ["b", "a"])
    studio.answer(1, ["b"], who=2)
    studio.answer(2, None)
    studio.answer(3, [])
    seen: list[tuple[int, int]] = []
    pulled = pull(pushed, TITLE, lambda done, total: seen.append((done, total)))
    found = collected(pulled)
    said = [(a.project_id, a.annotator, a.kept, a.added, a.removed, a.skipped, a.empty) for a, _ in found.answers]
    assert said == [
        (1, "ann@example.org", ("a", "b"), (), (), False, False),
        (1, "ben@example.org", ("b",), (), ("a",), False, False),
        ("2", "ann@example.org", (), (), (), True, False),
        (3, "ann@example.org", (), (), (), False, True),
    ]
    assert (found.review, found.num_waiting, pulled.moved_on) == ((), 0, None)
    assert seen == [(3, 3)]


def test_a_pull_and_an_import_of_the_same_project_say_the_same(
    studio: Any, pushed: Connection, write_rows: Callable[..., Path], tmp_path: Path
) -> None:
    studio.answer(1, ["a"])
    studio.answer(2, None, who=2)
    studio.users.clear()  # a file has numbers in place of addresses
    pulled = collected(pull(pushed, TITLE))
    path = write_rows("export.json", list(studio.tasks.values()))
    from_file = collect(LabelStudio().read(path), tool="label-studio", file="x", file_sha256=None)
    assert [answer for answer, _ in pulled.answers] == [answer for answer, _ in from_file.answers]
    log = tmp_path / "answers.jsonl"
    assert extend_log(log, pulled.answers) == 2
    assert count_new(log, from_file.answers) == 0


def test_pulling_twice_adds_nothing_and_a_new_answer_comes_in(studio: Any, pushed: Connection, tmp_path: Path) -> None:
    log = tmp_path / "answers.jsonl"
    studio.answer(1, ["a"])
    assert count_new(log, collected(pull(pushed, TITLE)).answers) == 1
    assert extend_log(log, collected(pull(pushed, TITLE)).answers) == 1
    assert extend_log(log, collected(pull(pushed, TITLE)).answers) == 0
    # The same project on another day: the database was set up anew, and its numbers are others.
    studio.tasks = {number + 70: {**task, "id": number + 70} for number, task in studio.tasks.items()}
    studio.projects = {9: {**studio.projects[1], "id": 9}}
    for task in studio.tasks.values():
        task["project"] = 9
    assert extend_log(log, collected(pull(pushed, TITLE)).answers) == 0
    studio.answer(71, ["b"], updated_at="2026-11-03T10:00:00Z")
    assert extend_log(log, collected(pull(pushed, TITLE)).answers) == 1


def test_what_is_not_ours_is_for_review_and_keeps_nothing_out(studio: Any, pushed: Connection) -> None:
    studio.answer(1, ["a", "made-up"])
    studio.tasks[2]["data"]["text"] = "edited"
    studio.answer(2, ["b"])
    studio.add_tasks(1, [{"data": {"text": "theirs"}}, {"data": None}])
    studio.answer(4, ["a"])
    studio.answer(3, ["a"])
    other = {"from_name": "boxes", "to_name": "image", "type": "rectanglelabels", "value": {"x": 1}}
    studio.answer(3, None, was_cancelled=False, result=[other])
    studio.answer(3, None, was_cancelled=False, result="nonsense", completed_by={"email": "eve@example.org"})
    found = collected(pull(pushed, TITLE))
    assert [(answer.project_id, answer.tags) for answer, _ in found.answers] == [(1, ("a", "made-up")), (3, ("a",))]
    reasons = {entry.reason: entry for entry in found.review}
    assert sorted(entry.reason for entry in found.review) == [
        "not_our_task",
        "text_changed",
        "unclear_answer",
        "unclear_answer",
        "unknown_tags",
    ]
    assert reasons["unknown_tags"].tags == ("made-up",)
    assert reasons["unclear_answer"].place == f"project {TITLE!r}, task 3, annotation 3"
    assert reasons["unclear_answer"].detail == 'result: expected a list, found "nonsense"'
    assert reasons["unclear_answer"].found["annotation"]["result"] == "nonsense"
    json.dumps([entry.found for entry in found.review])


def test_tags_that_are_offered_are_known_though_no_task_shows_them(studio: Any, pushed: Connection) -> None:
    config = studio.projects[1]["label_config"]
    studio.projects[1]["label_config"] = config.replace("</Choices>", '<Choice value="new"/></Choices>')
    studio.answer(1, ["new"])
    assert collected(pull(pushed, TITLE)).review == ()
    # Somebody has taken it out of the config again.
    studio.projects[1]["label_config"] = config
    (entry,) = collected(pull(pushed, TITLE)).review
    assert (entry.reason, entry.tags) == ("unknown_tags", ("new",))


def test_a_config_without_our_control_is_said(studio: Any, pushed: Connection) -> None:
    studio.answer(1, ["a"])
    studio.projects[1]["label_config"] = "<View/>"
    pulled = pull(pushed, TITLE)
    assert len(collected(pulled).answers) == 1
    assert "its labeling config has moved on" in str(pulled.moved_on)


def test_no_such_project(studio: Any, pushed: Connection) -> None:
    with pytest.raises(LabelingError, match=r"no project at .* has that title; did you mean Tags of projects\?"):
        pull(pushed, "Tags of project")


def test_another_project_s_tasks_alone_are_an_error(studio: Any, pushed: Connection) -> None:
    studio.tasks.clear()
    studio.add_tasks(1, [{"data": {"text": "theirs"}}])
    studio.answer(1, ["a"])
    with pytest.raises(LabelingError, match="none of its 1 tasks is one that tagnet sent"):
        collected(pull(pushed, TITLE))


@pytest.mark.parametrize(
    ("words", "body"),
    [
        ("/api/users/", b'{"detail": "x"}'),
        ("/api/tasks/", b'{"tasks": [{"id": 1, "data": {}}], "total": 1}'),
        ("/api/tasks/", b'{"tasks": [{"id": 1, "data": {}, "annotations": [3]}], "total": 1}'),
    ],
)
def test_nonsense_in_good_json(studio: Any, pushed: Connection, words: str, body: bytes) -> None:
    studio.fault(words, "body", body=body)
    with pytest.raises(LabelingError, match="expected"):
        pull(pushed, TITLE)


def test_how_it_stands(studio: Any, pushed: Connection, batch: TaskBatch) -> None:
    studio.add_tasks(1, [{"data": {"text": "theirs"}}, {"data": dict(studio.tasks[1]["data"])}])
    studio.answer(1, ["a"])
    studio.answer(1, None, who=2)
    studio.answer(2, None)
    studio.tasks[3]["data"]["text"] = "edited"
    found = status(pull(pushed, TITLE), batch.tasks)
    assert found == Status(
        tasks=3,
        answered=1,
        skipped=1,
        waiting=1,
        foreign=1,
        edited=1,
        doubles=1,
        answers={"ann@example.org": 2, "ben@example.org": 1},
        against=Against(to_push=1, earlier_text=0, other_records=0),
    )
    assert status(pull(pushed, TITLE), batch.tasks[1:]).against == Against(1, 0, 2)
    assert status(pull(pushed, TITLE)).against is None
