"""Every task once, whatever happened before."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagnet.errors import LabelingError
from tagnet.labeling.label_studio_server import push as module
from tagnet.labeling.label_studio_server.connection import Connection
from tagnet.labeling.label_studio_server.push import Pushed, push
from tagnet.labeling.tasks import ShownTag, TaskBatch, make_batch
from tagnet.records.record import Record

TITLE = "Tags of projects"


def make(count: int, tags: tuple[str, ...] = ("a", "b"), word: str = "Title") -> TaskBatch:
    records = [Record(n, {"title": f"{word} {n}"}, tags[: n % 3], None) for n in range(1, count + 1)]
    return make_batch(records, ["title"])


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TASKS", 4)


def no_pause(seconds: float) -> None:
    pass


def run(connection: Connection, batch: TaskBatch, **more: Any) -> Pushed:
    return push(connection, TITLE, batch, pause=no_pause, **more)


def known(studio: Any) -> Counter[Any]:
    return Counter(task["data"]["project_id"] for task in studio.tasks.values())


def test_a_new_project_then_nothing(studio: Any, connection: Connection) -> None:
    seen: list[tuple[int, int]] = []
    first = run(connection, make(10), progress=lambda done, total: seen.append((done, total)))
    assert (first.made, first.sent, first.known, first.doubles, first.outdated) == (True, 10, 0, 0, 0)
    assert seen == [(4, 10), (8, 10), (10, 10)]
    assert known(studio) == Counter(range(1, 11))
    second = run(connection, make(10))
    assert (second.made, second.sent, second.known) == (False, 0, 10)
    assert known(studio) == Counter(range(1, 11))
    (project,) = studio.projects.values()
    assert project["title"] == TITLE
    assert '<Choices name="tags" toName="text" choice="multiple">' in project["label_config"]


def test_only_what_is_new_is_sent(studio: Any, connection: Connection) -> None:
    run(connection, make(3))
    pushed = run(connection, make(5, ("a", "b", "c")))
    assert (pushed.sent, pushed.known, pushed.new_tags) == (2, 3, ())
    more = make_batch([Record(9, {"title": "x"}, ("q<", "a"), None)], ["title"])
    assert run(connection, more).new_tags == ("q<",)
    assert '<Choice value="q&lt;" />' in studio.projects[1]["label_config"]


def test_predictions_have_one_version_for_label_studio_shows_one(studio: Any, connection: Connection) -> None:
    records = [Record(n, {"title": str(n)}, ("a",), None) for n in (1, 2)]
    suggested = [[ShownTag("b", "model", "v7", 0.9)], []]
    pushed = push(connection, TITLE, make_batch(records, ["title"], suggested=suggested), pause=no_pause)
    assert {task["predictions"][0]["model_version"] for task in studio.tasks.values()} == {"tagnet"}
    assert pushed.project.shown_model in (None, "tagnet")


def test_a_changed_text_is_a_new_task_and_the_old_one_is_named(studio: Any, connection: Connection) -> None:
    run(connection, make(3))
    pushed = run(connection, make(3, word="Other"))
    assert (pushed.sent, pushed.known, pushed.outdated) == (3, 0, 3)
    assert len(studio.tasks) == 6


def test_a_task_that_was_edited_there_is_sent_again(studio: Any, connection: Connection) -> None:
    run(connection, make(3))
    studio.tasks[1]["data"]["text"] = "something else"
    studio.tasks[2]["data"]["project_id"] = 77
    pushed = run(connection, make(3))
    assert (pushed.sent, pushed.known, pushed.outdated) == (2, 1, 1)


def test_foreign_tasks_are_left_alone(studio: Any, connection: Connection) -> None:
    run(connection, make(1))
    rows: list[Any] = [{"data": {"text": "theirs"}}] * 2 + [{"data": {}}] + [{"data": []}] + [{"data": {"tagnet": 3}}]
    studio.add_tasks(1, rows)
    before = len(studio.tasks)
    assert run(connection, make(1)).sent == 0
    assert len(studio.tasks) == before


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_cut_at_any_place_and_pushed_again(
    connect: Callable[..., Connection], studio: Any, data: st.DataObject
) -> None:
    """Requests get lost before or after they are done; in the end every task is there once."""
    studio.projects.clear()
    studio.tasks.clear()
    batch = make(data.draw(st.integers(1, 12)))
    for _ in range(data.draw(st.integers(0, 4))):
        studio.faults.clear()
        kind = data.draw(st.sampled_from(["drop", "drop after", "cut", "status"]))
        words = data.draw(st.sampled_from(["POST", "/import", "/api/tasks/", "GET /api/projects/1", "PATCH"]))
        studio.fault(words, kind, times=data.draw(st.integers(1, 5)), status=500)
        with contextlib.suppress(LabelingError):
            run(connect(), batch)
    studio.faults.clear()
    run(connect(), batch)
    assert len(studio.projects) == 1
    assert known(studio) == Counter(range(1, len(batch.tasks) + 1))


def test_what_came_in_late_is_taken_away_again(studio: Any, connection: Connection) -> None:
    """A part that the server took in after the connection was cut, while the next push was on its way already."""
    batch = make(6)
    run(connection, batch)
    late = [{"data": studio.tasks[number]["data"]} for number in (1, 2, 3, 4)]
    studio.add_tasks(1, late)
    studio.answer(7, ["a"])  # the late one of record 1: it stays, in place of the untouched one
    studio.tasks[8]["drafts"] = [{"id": 1}]  # of record 2
    studio.answer(3, ["a"])
    studio.answer(9, None)  # both of record 3 are answered: both stay
    pushed = run(connection, batch)
    assert pushed.doubles == 3
    assert sorted(studio.tasks) == [3, 4, 5, 6, 7, 8, 9]


def test_a_task_that_is_begun_while_it_is_looked_at_stays(
    studio: Any, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(connection, make(1))
    studio.add_tasks(1, [{"data": studio.tasks[1]["data"]}])
    whole = type(studio).handle

    def begun(self: Any, method: str, path: str, query: Any, body: Any) -> Any:
        if path == "/api/tasks/2/" and method == "GET":
            self.tasks[2]["drafts"] = [{"id": 1}]
        return whole(self, method, path, query, body)

    monkeypatch.setattr(type(studio), "handle", begun)
    assert run(connection, make(1)).doubles == 0
    assert sorted(studio.tasks) == [1, 2]


def test_a_server_that_takes_tasks_in_behind_the_scenes(
    studio: Any, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, waiting = type(studio).handle, []

    def later(self: Any, method: str, path: str, query: Any, body: Any) -> Any:
        if path.endswith("/import"):
            waiting.append(body)
            return 201, {"import": 1}
        return whole(self, method, path, query, body)

    monkeypatch.setattr(type(studio), "handle", later)
    pushed = push(connection, TITLE, make(2), pause=lambda _: studio.add_tasks(1, waiting.pop()) if waiting else None)
    assert pushed.sent == 2
    assert len(studio.tasks) == 2
    with pytest.raises(LabelingError, match="expected all 3 tasks, found 2; the server took the others"):
        run(connection, make(3))


def test_several_projects_of_one_title(studio: Any, connection: Connection) -> None:
    for number in (1, 2):
        studio.projects[number] = {"id": number, "title": TITLE, "label_config": "<View/>", "model_version": ""}
    with pytest.raises(LabelingError, match=r"expected one project of that title at .*, found 2"):
        run(connection, make(1))


def test_a_title_is_found_among_many(studio: Any, connection: Connection) -> None:
    for number in range(1, 251):
        studio.projects[number] = {"id": number, "title": f"{TITLE} {number}", "label_config": "", "model_version": ""}
    assert run(connection, make(1)).made
    assert not run(connection, make(1)).made


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ('<View><Text name="text" value="$text"/></View>', "found none"),
        ('<View><Choices name="labels" toName="text"/></View>', "found controls named labels"),
        ('<View><Choices name="tags" toName="text"/></View>', "of which only one can be chosen"),
        ('<View><Choices name="tags" toName="other" choice="multiple"/></View>', "of 'other'"),
        ('<View><Taxonomy name="tags" toName="text"/></View>', "push with --control taxonomy"),
        ("<View", "expected XML"),
    ],
)
def test_a_config_that_has_moved_on(studio: Any, connection: Connection, config: str, said: str) -> None:
    run(connection, make(1))
    studio.projects[1]["label_config"] = config
    with pytest.raises(LabelingError, match=said):
        run(connection, make(2))
    assert studio.projects[1]["label_config"] == config
    assert len(studio.tasks) == 1


def test_a_server_that_does_not_keep_the_config(
    studio: Any, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(connection, make(1, ("a",)))
    whole = type(studio).handle
    monkeypatch.setattr(
        type(studio), "handle", lambda self, m, p, q, b: whole(self, m, p, q, {} if m == "PATCH" else b)
    )
    with pytest.raises(LabelingError, match="were put into its labeling config and are not there, such as 'z'"):
        run(connection, make(2, ("a", "z")))


@pytest.mark.parametrize(
    ("words", "body"),
    [
        ("GET /api/projects/?", b"[]"),
        ("GET /api/projects/?", b'{"results": [{"id": "1", "title": "x"}]}'),
        ("GET /api/projects/1/", b'{"id": 1, "title": "x"}'),
        ("GET /api/projects/1/", b"3"),
        ("POST /api/projects/ ", b'"made"'),
        ("GET /api/tasks/", b'{"tasks": {}, "total": 1}'),
        ("GET /api/tasks/", b'{"tasks": [], "total": 5}'),
        ("GET /api/tasks/", b'{"tasks": [{"id": 0, "data": {}}], "total": 5}'),
        ("GET /api/tasks/", b'{"tasks": [{"data": {}}], "total": 5}'),
    ],
)
def test_nonsense_in_good_json(studio: Any, connection: Connection, words: str, body: bytes) -> None:
    studio.fault(words.rstrip(), "body", body=body)
    with pytest.raises(LabelingError, match=r"http://127.0.0.1:\d+/api/\w+/.*: expected"):
        run(connection, make(1))
    studio.faults.clear()
    run(connection, make(1))
    assert known(studio) == Counter([1])
    assert len(studio.projects) <= 2


def test_parts_are_small(studio: Any, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BYTES", 2000)
    run(connection, make(3, word="x" * 1500))
    assert studio.asked.count("POST /api/projects/1/import") == 3


def test_pages_that_are_shorter_than_asked_for(studio: Any, connection: Connection) -> None:
    studio.page = 3
    run(connection, make(10))
    assert run(connection, make(10)).known == 10
