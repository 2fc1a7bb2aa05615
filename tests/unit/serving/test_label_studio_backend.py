"""What Label Studio asks, and what it is told; the shapes are those that 1.23.2 was seen to send."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.serving.app import LabelStudio
from tagnet.serving.label_studio_backend import find_offer
from tagnet.serving.limits import Limits

Start = Callable[..., Any]

CONFIG = """<View><Text name="text" value="$text"/>
<Choices name="tags" toName="text" choice="multiple"><Choice value="long"/><Choice value="other"/></Choices></View>"""


@pytest.fixture
def ask(start: Start) -> Any:
    return start(label_studio=LabelStudio())


def task(length: int, **more: Any) -> dict[str, Any]:
    return {"id": 7, "data": {"title": "x" * length, "text": "y"}, "project": 1, "predictions": [], **more}


def asked(*tasks: Any, config: str = CONFIG, **more: Any) -> dict[str, Any]:
    params = {"login": None, "password": None, "context": None}
    return {"tasks": list(tasks), "project": "1.1795755077", "label_config": config, "params": params, **more}


def test_it_is_up_and_says_its_version(ask: Any) -> None:
    assert ask("GET", "/health").json == {"status": "UP"}
    schema = {"project": "1.17", "schema": CONFIG, "hostname": "http://h", "access_token": "s", "extra_params": None}
    assert ask("POST", "/setup", schema).json == {"model_version": "v1"}
    assert ask("GET", "/versions").json == {"versions": ["v1"]}


def test_without_the_option_there_is_no_backend(start: Start) -> None:
    asker = start()
    assert asker("GET", "/health").json == {"status": "ok"}
    for path in ("/setup", "/predict", "/webhook"):
        assert asker("POST", path, {}).error == (404, "not_found")


def test_one_prediction_a_task_with_tags_that_both_know(ask: Any) -> None:
    answer = ask("POST", "/predict", asked(task(300), task(100), task(900, annotations=[], meta={})))
    assert answer.status == 200
    value = {"from_name": "tags", "to_name": "text", "type": "choices", "value": {"choices": ["long"]}}
    assert answer.json == {
        "results": [
            {"result": [value], "score": 0.3, "model_version": "v1"},
            {"result": [], "score": 0.0, "model_version": "v1"},
            {"result": [value], "score": 0.9, "model_version": "v1"},
        ]
    }


def test_no_tasks_no_results(ask: Any) -> None:
    assert ask("POST", "/predict", asked()).json == {"results": []}


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        (
            '<Choices name="c" toName="t" choice="multiple"><Choice value="short"/><Choice value="long"/></Choices>',
            {"choices": ["short", "long"]},
        ),
        (
            '<Choices name="c" toName="t"><Choice value="long"/><Choice value="short"/></Choices>',
            {"choices": ["short"]},
        ),
        (
            '<Choices name="c" toName="t" choice="multiple"><Choice value="L" alias="long"/></Choices>',
            {"choices": ["long"]},
        ),
        (
            '<Taxonomy name="c" toName="t"><Choice value="size"><Choice value="long"/></Choice></Taxonomy>',
            {"taxonomy": [["size", "long"]]},
        ),
        ('<Choices name="c" toName="t" choice="multiple"><Choice value="strange"/></Choices>', None),
        ('<Rating name="c" toName="t"/>', None),
    ],
)
def test_names_and_choices_are_those_of_the_config(ask: Any, control: str, expected: Any) -> None:
    config = f'<View><Text name="t" value="$body"/>{control}</View>'
    (found,) = ask("POST", "/predict", asked(task(400), config=config)).json["results"]
    if expected is None:
        assert found["result"] == []
    else:
        (kind,) = expected
        assert found["result"] == [{"from_name": "c", "to_name": "t", "type": kind, "value": expected}]


def test_the_text_that_is_shown_where_no_field_is_ours(ask: Any) -> None:
    config = CONFIG.replace("$text", "$body")
    foreign = {"id": 1, "data": {"body": "z" * 600}}
    (found,) = ask("POST", "/predict", asked(foreign, config=config)).json["results"]
    assert found["score"] == 0.6
    null = {"id": 1, "data": {"title": None, "description": "z" * 500}}
    (found,) = ask("POST", "/predict", asked(null)).json["results"]
    assert found["score"] == 0.5


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 422, "not_valid"),
        ({"tasks": []}, 422, "not_valid"),
        (asked(3), 422, "not_valid"),
        (asked({"id": 1}), 422, "no_data"),
        (asked({"data": {"other": "x"}}), 422, "no_text"),
        (asked(task(1), config="<View"), 422, "not_a_config"),
        (asked(task(1), config='<!DOCTYPE v [<!ENTITY a "b">]><View/>'), 422, "not_a_config"),
        (asked(task(1), config="<a>" * 20_000), 422, "not_a_config"),
        (asked(*[task(1)] * 4), 413, "too_many_tasks"),
        (asked(task(2000)), 413, "text_too_long"),
        (asked(task(1), more="x" * 100_000), 413, "body_too_large"),
    ],
)
def test_what_is_refused(start: Start, body: Any, status: int, code: str) -> None:
    asker = start(label_studio=LabelStudio(), limits=Limits(body_bytes=80_000, records=3, characters=1000))
    assert asker("POST", "/predict", body).error == (status, code)


def test_a_model_that_fails_says_nothing_of_itself(ask: Any, model: Any) -> None:
    model.fails = True
    answer = ask("POST", "/predict", asked(task(1)))
    assert answer.error == (500, "internal")
    assert b"secret" not in answer.body


def test_the_token_is_asked_for_as_label_studio_can_send_it(start: Start) -> None:
    asker = start(label_studio=LabelStudio(), token="secret")

    def basic(user: str) -> str:
        return "Basic " + base64.b64encode(user.encode()).decode()

    body = asked(task(1))
    for wrong in (None, "Bearer wrong", basic("u:wrong"), basic("secret"), "Basic ?", "Basic"):
        headers = {} if wrong is None else {"authorization": wrong}
        for path in ("/predict", "/setup", "/webhook"):
            assert asker("POST", path, body, **headers).error == (401, "no_token")
        assert asker("GET", "/versions", **headers).error == (401, "no_token")
    assert asker("GET", "/health").status == 200
    assert asker("POST", "/predict", body, authorization="Bearer secret").status == 200
    assert asker("POST", "/predict", body, authorization=basic("label-studio:secret")).status == 200
    assert start(token="secret")("GET", "/v1/labels", authorization=basic("u:secret")).error == (401, "no_token")


def test_our_own_control_goes_first() -> None:
    config = CONFIG.replace(
        "<Choices", '<Choices name="mood" toName="text"><Choice value="short"/></Choices><Choices', 1
    )
    offer, key = find_offer(config, ("short", "long"))
    assert offer is not None
    assert (offer.name, key) == ("tags", "text")


def test_openapi_shows_our_own_paths_alone(ask: Any) -> None:
    assert not {"/setup", "/predict", "/webhook", "/versions"} & set(ask("GET", "/openapi.json").json["paths"])


# ------------------------------------------------------------------------------------------------------------- webhook


def event(number: int, *, action: str = "ANNOTATION_CREATED", text: str | None = None, **more: Any) -> dict[str, Any]:
    annotation = {
        "id": number,
        "task": number,
        "result": [],
        "was_cancelled": False,
        "completed_by": 1,
        "created_at": "2026-11-02T10:00:00Z",
        "updated_at": "2026-11-02T10:00:00Z",
        **more,
    }
    tasks = {"id": number, "data": {"text": text or f"text {number}"}}
    return {"action": action, "annotation": annotation, "task": tasks, "project": {"id": 1, "title": "x"}}


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_event_is_kept_once(start: Start, noted: Path) -> None:
    asker = start(label_studio=LabelStudio(noted))
    assert asker("POST", "/webhook", event(1)).json == {"status": "ok", "new": 1}
    assert asker("POST", "/webhook", event(1)).json == {"status": "ok", "new": 0}
    updated = event(1, action="ANNOTATION_UPDATED", updated_at="2026-11-03T10:00:00Z")
    assert asker("POST", "/webhook", updated).json["new"] == 1
    assert asker("POST", "/webhook", event(2, was_cancelled=True)).json["new"] == 1
    gone = {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 1}, {"id": 2}], "project": {"id": 1}}
    assert [asker("POST", "/webhook", gone).json["new"] for _ in range(2)] == [2, 0]
    many = {**event(3), "action": "ANNOTATIONS_CREATED"}
    many |= {"annotation": [event(n)["annotation"] for n in (3, 4)], "task": [event(n)["task"] for n in (4, 3)]}
    assert asker("POST", "/webhook", many).json["new"] == 2
    for other in ("TASKS_CREATED", "PROJECT_UPDATED", "START_TRAINING", "LABEL_LINK_CREATED", "x" * 999):
        assert asker("POST", "/webhook", {"action": other, "tasks": [{"id": 1}]}).json == {"status": "ok", "new": 0}
    together = asker.together(*[("POST", "/webhook", event(5))] * 20)
    assert sorted(answer.json["new"] for answer in together) == [0] * 19 + [1]
    found = rows(noted)
    assert [row["answered"] for row in found] == [True, True, False, False, False, True, True, True]
    assert len({row["task"] for row in found if row["answered"]}) == 4


def test_a_restart_forgets_nothing(start: Start, noted: Path) -> None:
    first = start(label_studio=LabelStudio(noted))
    first("POST", "/webhook", event(1))
    first.close()
    first.close = lambda: None
    assert start(label_studio=LabelStudio(noted))("POST", "/webhook", event(1)).json["new"] == 0


def test_without_a_file_events_are_taken_and_not_kept(ask: Any) -> None:
    assert ask("POST", "/webhook", event(1)).json == {"status": "ok", "new": 0}


@pytest.mark.parametrize(
    "body",
    [
        {"action": "ANNOTATION_CREATED"},
        {"action": "ANNOTATION_CREATED", "annotation": {"id": 1}},
        {"action": "ANNOTATION_CREATED", "annotation": {"id": "1"}, "task": {}},
        {"action": "ANNOTATION_CREATED", "annotation": {"id": True}, "task": {"id": {}}},
        {"action": "ANNOTATIONS_DELETED"},
        {"action": 3},
        {},
        [],
    ],
)
def test_what_is_no_event(start: Start, noted: Path, body: Any) -> None:
    assert start(label_studio=LabelStudio(noted))("POST", "/webhook", body).status == 422
    assert noted.read_text() == ""


def test_a_full_disk_is_said(start: Start, noted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asker = start(label_studio=LabelStudio(noted))

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("tagnet.serving.append_only.os.fsync", full)
        assert asker("POST", "/webhook", event(1)).error == (503, "not_stored")
    assert noted.read_text() == ""
    assert asker("POST", "/webhook", event(1)).json["new"] == 1
