"""Every path: what it answers, and how it refuses."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.serving.limits import Limits

Start = Callable[..., Any]


def text(length: int) -> dict[str, str]:
    return {"title": "x" * length}


def test_tags_in_order(start: Start) -> None:
    answer = start()("POST", "/v1/tags", {"records": [text(300), text(100), {"description": "y" * 900}]})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["model_version"] == "v1"
    first, second, third = (result["tags"] for result in answer.json["results"])
    assert first == [
        {"tag": "short", "threshold": 0.5, "probability": 0.7, "accepted": True},
        {"tag": "long", "threshold": 0.25, "probability": 0.3, "accepted": True},
    ]
    assert [tag["accepted"] for tag in second] == [True, False]
    assert [tag["tag"] for tag in third] == ["long", "short"]


def test_the_most_probable_alone(start: Start) -> None:
    answer = start()("POST", "/v1/tags", {"records": [text(900)], "top": 1})
    assert [tag["tag"] for tag in answer.json["results"][0]["tags"]] == ["long"]


@pytest.mark.parametrize(
    ("body", "status", "code", "message"),
    [
        (b"{", 422, "not_valid", "Invalid JSON"),
        (b"\xff\xfe", 422, "not_valid", "Invalid JSON"),
        (b"[" * 100_000, 422, "not_valid", "Invalid JSON"),
        (b'{"records": [{"title": "\\ud800"}]}', 422, "not_valid", "Invalid JSON"),
        ({}, 422, "not_valid", "records: Field required"),
        ({"records": []}, 422, "not_valid", "records: List should have at least 1 item"),
        ({"records": [{"title": "a"}], "top": 0}, 422, "not_valid", "top: Input should be greater than or equal to 1"),
        ({"records": [{"title": "a"}], "top": True}, 422, "not_valid", "top: Input should be a valid integer"),
        ({"records": [{"title": "a"}], "topp": 1}, 422, "not_valid", "topp: Extra inputs"),
        ({"records": [{"title": "a"}, {"titel": "a"}]}, 422, "no_text", r"records.1: .*did you mean title\?"),
        ({"records": [{"title": 3}]}, 422, "not_text", "expected a text or null as its title, found int"),
        ({"records": [text(5)] * 3}, 413, "too_many_records", "found 3 records; send at most 2"),
        ({"records": [text(51)]}, 413, "text_too_long", "51 characters; at most 50"),
        ({"records": [text(3000)]}, 413, "body_too_large", "larger than 2000 bytes"),
    ],
)
def test_a_body_that_does_not_fit(start: Start, body: Any, status: int, code: str, message: str) -> None:
    answer = start(limits=Limits(records=2, characters=50, body_bytes=2000 if code == "body_too_large" else 10**6))(
        "POST", "/v1/tags", body
    )
    assert answer.error == (status, code)
    assert re.search(message, answer.json["error"]["message"])


def test_null_and_other_fields_are_fine(start: Start) -> None:
    answer = start()("POST", "/v1/tags", {"records": [{"title": None, "tags": [1, {}], "id": 3.5}]})
    assert answer.status == 200


def test_only_json_is_read(start: Start) -> None:
    assert start()("POST", "/v1/tags", b"{}", content_type="text/plain").error == (415, "not_json")


def test_a_body_that_never_ends(start: Start) -> None:
    async def ask() -> Any:
        return await asker.ask("POST", "/v1/tags", pieces=[b'{"rec'])

    asker = start(limits=Limits(body_seconds=0.05))
    assert asker.runner.run(ask()).error == (408, "body_too_slow")


def test_bodies_of_all_requests_are_bounded(start: Start) -> None:
    asker = start(limits=Limits(body_seconds=0.2, bodies_bytes=100))

    async def ask() -> Any:
        slow = asyncio.ensure_future(asker.ask("POST", "/v1/tags", pieces=[b"x" * 90]))
        await asyncio.sleep(0.05)
        second = await asker.ask("POST", "/v1/tags", {"records": [text(30)]})
        await slow
        third = await asker.ask("POST", "/v1/tags", {"records": [text(30)]})
        return second, third

    second, third = asker.runner.run(ask())
    assert second.error == (503, "too_many_bodies")
    assert "retry-after" in second.headers
    assert third.status == 200


def test_bodies_of_all_routes_are_counted_together(start: Start, tmp_path: Path) -> None:
    asker = start(limits=Limits(body_seconds=0.2, bodies_bytes=200), annotations=tmp_path / "a.jsonl")

    async def ask() -> Any:
        slow = asyncio.ensure_future(asker.ask("POST", "/v1/annotations", pieces=[b"x" * 190]))
        await asyncio.sleep(0.05)
        second = await asker.ask("POST", "/v1/tags", {"records": [text(30)]})
        await slow
        return second

    assert asker.runner.run(ask()).error == (503, "too_many_bodies")


def test_a_body_that_can_never_be_held_is_too_large(start: Start) -> None:
    asker = start(limits=Limits(body_bytes=10_000, bodies_bytes=100))
    assert asker("POST", "/v1/tags", {"records": [text(200)]}).error == (413, "body_too_large")


def test_one_fault_of_very_many_is_told(start: Start) -> None:
    answer = start()("POST", "/v1/tags", {"records": [1] * 100_000})
    assert answer.json["error"]["message"] == "records.0: Input should be an object"


def test_what_a_record_has_beside_its_texts_is_not_kept_while_it_waits(start: Start, model: Any) -> None:
    body = json.dumps({"records": [{"title": "t", "x": [[]] * 250_000}]}).encode()
    free, held = threading.Event(), []
    model.hold = lambda: free.wait(5)
    asker = start()

    async def ask() -> Any:
        waiting = asyncio.ensure_future(asker.ask("POST", "/v1/tags", body))
        await asyncio.sleep(0.2)
        held.append(tracemalloc.get_traced_memory()[0])
        free.set()
        return await waiting

    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        assert asker.runner.run(ask()).status == 200
    finally:
        tracemalloc.stop()
    assert held[0] - before < 4_000_000


def test_a_client_that_goes_away_is_no_failure(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    asker = start()

    async def ask() -> Any:
        return await asker.ask("POST", "/v1/tags", pieces=[b'{"rec', b"<gone>"])

    assert asker.runner.run(ask()).status == 499
    assert not caplog.records
    assert asker.guard.in_flight == 0


def test_labels(start: Start, tmp_path: Path) -> None:
    answer = start(annotations=tmp_path / "a.jsonl")("GET", "/v1/labels").json
    assert answer["features"] == ["title", "description"]
    assert answer["annotations"] is True
    assert answer["tags"] == [
        {"tag": "short", "threshold": 0.5, "aliases": [], "parents": [], "train_count": 3},
        {"tag": "long", "threshold": 0.25, "aliases": ["tall"], "parents": ["size"], "train_count": 5},
    ]


def test_words_that_carried_a_tag(start: Start, model: Any) -> None:
    asked = {"record": {"title": "a long word", "description": ""}, "tags": ["long", "short"]}
    answer = start()("POST", "/v1/explain", asked).json
    long, short = answer["tags"]
    assert [(w["text"], w["start"], w["end"]) for w in long["words"]] == [("a", 0, 1), ("long", 2, 6), ("word", 7, 11)]
    assert long["probability"] == pytest.approx(0.011)
    assert long["words"][1]["weight"] > long["words"][0]["weight"] > 0
    assert short["words"][1]["weight"] == pytest.approx(-long["words"][1]["weight"])
    assert sum(model.batches) == 4


def test_an_explanation_of_what_is_no_tag(start: Start) -> None:
    asker = start()
    answer = asker("POST", "/v1/explain", {"record": text(3), "tags": ["longg"]})
    assert answer.error == (422, "unknown_tag")
    assert "did you mean long?" in answer.json["error"]["message"]
    assert asker("POST", "/v1/explain", {"record": text(3), "tags": ["long"] * 6}).error == (413, "too_many_tags")
    assert asker("POST", "/v1/explain", {"record": text(20_001), "tags": ["long"]}).error == (413, "text_too_long")


def annotation(**changes: Any) -> dict[str, Any]:
    shown = [{"tag": "long", "probability": 0.9, "source": "model"}]
    return {"record": {"id": 7, "title": "t"}, "shown": shown, "kept": ["long"], "added": [], "removed": []} | changes


def test_an_annotation_is_stored(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    answer = start(annotations=path)("POST", "/v1/annotations", annotation(comment="so", annotator="ann"))
    assert answer.status == 201
    (line,) = path.read_text().splitlines()
    row = json.loads(line)
    assert answer.json == {"id": row["id"], "stored": True}
    assert row["at"].endswith("Z")
    del row["id"], row["at"]
    assert row == {
        "project_id": 7,
        "model_version": "v1",
        "annotator": "ann",
        "record": {"title": "t", "description": ""},
        "shown": [{"tag": "long", "probability": 0.9, "source": "model"}],
        "kept": ["long"],
        "added": [],
        "removed": [],
        "comment": "so",
    }


def test_an_annotation_names_the_model_whose_tags_were_shown(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    asker = start(annotations=path)
    assert asker("POST", "/v1/annotations", annotation(model_version="v0")).status == 201
    assert json.loads(path.read_text())["model_version"] == "v0"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"added": ["lnog"]}, "unknown_tag"),
        ({"removed": ["long"]}, "tag_twice"),
        ({"shown": [{"tag": "other", "source": "model"}]}, "unknown_tag"),
        ({"shown": [{"tag": "long", "source": "nobody"}]}, "not_valid"),
        ({"record": {"id": 1.5, "title": "t"}}, "not_an_id"),
        ({"record": {"id": "x" * 2000, "title": "t"}}, "not_an_id"),
        ({"record": {"id": 1}}, "no_text"),
        ({"kept": None}, "not_valid"),
    ],
)
def test_an_annotation_that_does_not_fit(start: Start, tmp_path: Path, changes: dict[str, Any], code: str) -> None:
    path = tmp_path / "a.jsonl"
    assert start(annotations=path)("POST", "/v1/annotations", annotation(**changes)).error == (422, code)
    assert path.read_text() == ""


def test_without_a_file_no_annotation_is_taken(start: Start) -> None:
    asker = start()
    assert asker("POST", "/v1/annotations", annotation()).status == 404
    assert asker("GET", "/v1/labels").json["annotations"] is False


def test_a_full_disk_is_said(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.jsonl"
    asker = start(annotations=path)
    monkeypatch.setattr("tagnet.serving.append_only.os.fsync", full)
    assert asker("POST", "/v1/annotations", annotation()).error == (503, "not_stored")
    assert path.read_text() == ""


def test_a_failure_says_no_more_than_an_id(start: Start, model: Any, caplog: pytest.LogCaptureFixture) -> None:
    asker = start()
    model.fails = True
    answer = asker("POST", "/v1/tags", {"records": [text(3)]})
    assert answer.error == (500, "internal")
    assert b"secret" not in answer.body
    identity = answer.json["error"]["message"].split()[-1]
    assert any(identity in record.getMessage() for record in caplog.records)
    model.fails = False
    assert asker("POST", "/v1/tags", {"records": [text(3)]}).status == 200


def test_other_paths_and_methods(start: Start) -> None:
    asker = start()
    assert asker("GET", "/v1/tag").error == (404, "not_found")
    assert asker("GET", "/v1/tags").error == (405, "not_allowed")
    assert asker("GET", "/../etc/passwd").status == 404
    assert asker("POST", "/v1/reload").status == 404


def test_probes_and_figures(start: Start) -> None:
    asker = start()
    assert asker("GET", "/health").json == asker("GET", "/ready").json == {"status": "ok"}
    asker("POST", "/v1/tags", {"records": [text(3), text(4)]})
    asker("GET", "/made-up")
    figures = asker("GET", "/metrics")
    assert figures.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = figures.body.decode().splitlines()
    assert 'tagnet_requests_total{route="/v1/tags",status="200"} 1.0' in lines
    assert 'tagnet_requests_total{route="other",status="404"} 1.0' in lines
    assert "tagnet_batch_records_sum 2.0" in lines
    assert 'tagnet_model_info{version="v1"} 1.0' in lines
    assert not any("made-up" in line for line in lines)


def test_a_full_queue_says_when_to_come_again(start: Start, model: Any) -> None:
    free = threading.Event()
    model.hold = free.wait
    asker = start(limits=Limits(queue_records=2))
    threading.Timer(0.3, free.set).start()
    body = {"records": [text(3), text(4)]}
    first, second = asker.together(("POST", "/v1/tags", body), ("POST", "/v1/tags", body))
    assert first.status == 200
    assert second.error == (429, "queue_full")
    assert int(second.headers["retry-after"]) >= 1
    assert asker("POST", "/v1/tags", {"records": [text(3)] * 3}).error == (413, "too_much_at_once")


def test_an_answer_that_takes_too_long(start: Start, model: Any) -> None:
    free = threading.Event()
    model.hold = free.wait
    asker = start(limits=Limits(answer_seconds=0.1))
    answer = asker("POST", "/v1/tags", {"records": [text(3)]})
    free.set()
    assert answer.error == (503, "too_slow")
    assert asker("POST", "/v1/tags", {"records": [text(3)]}).status == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/tags", {"records": [text(3)] * 50}), ("/v1/explain", {"record": {"title": "a b c"}, "tags": ["long"]})],
)
def test_what_a_client_that_goes_away_has_asked_is_not_computed(
    start: Start, model: Any, path: str, body: dict[str, Any]
) -> None:
    free = threading.Event()
    model.hold = lambda: free.wait(5)
    asker = start()

    async def ask() -> Any:
        first = asyncio.ensure_future(asker.ask("POST", "/v1/tags", {"records": [text(3)]}))
        await asyncio.sleep(0.1)
        gone = await asyncio.wait_for(
            asker.ask("POST", path, pieces=[json.dumps(body).encode(), b"<last>", b"<gone>"]), 2
        )
        free.set()
        return gone, await first

    gone, first = asker.runner.run(ask())
    assert (gone.status, first.status) == (499, 200)
    assert asker("POST", "/v1/tags", {"records": [text(4)]}).status == 200
    assert sum(model.batches) == 2


def test_the_document(start: Start, tmp_path: Path) -> None:
    asker = start(annotations=tmp_path / "a.jsonl", token="secret")
    document = asker("GET", "/openapi.json", authorization="Bearer secret").json
    api = {f"/v1/{name}" for name in ("tags", "explain", "annotations", "labels", "reload")}
    assert set(document["paths"]) == api | {"/health", "/ready", "/metrics"}
    content = document["paths"]["/v1/tags"]["post"]["requestBody"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/TagsRequest"}
    assert content["examples"]["one record"]["value"]["records"]
    schemas = document["components"]["schemas"]
    assert {"TagsRequest", "ExplainRequest", "AnnotationRequest", "ErrorAnswer", "ShownTag"} <= set(schemas)
    references = {word for word in json.dumps(document).split('"') if word.startswith("#/components/schemas/")}
    assert {word.rsplit("/", 1)[1] for word in references} <= set(schemas)
    assert document["security"] == [{"token": []}]


def test_the_examples_of_the_document_are_answered(start: Start, tmp_path: Path) -> None:
    asker = start(annotations=tmp_path / "a.jsonl")
    asked = 0
    for path, methods in asker("GET", "/openapi.json").json["paths"].items():
        body = methods.get("post", {}).get("requestBody", {"content": {"application/json": {"examples": {}}}})
        for example in body["content"]["application/json"]["examples"].values():
            assert asker("POST", path, example["value"]).status in (200, 201), path
            asked += 1
    assert asked == 4
