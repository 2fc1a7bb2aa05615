"""What authors say on the server's page, and what comes of it: stored, imported, merged."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx

Tagnet = Callable[..., tuple[int, str, str]]


def log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


def answer(
    url: str, record: dict[str, Any], *, remove: int = 0, add: tuple[str, ...] = (), **more: str
) -> dict[str, Any]:
    """Post what the page posts (`annotation` in app.js): accepted tags are ticked, others are shown beside them."""
    texts = {name: record[name] for name in ("title", "description")}
    found = httpx.post(f"{url}/v1/tags", json={"records": [texts]}, timeout=30).json()["results"][0]["tags"]
    accepted = [each["tag"] for each in found if each["accepted"] and each["tag"] not in add]
    near = [
        each["tag"]
        for each in found
        if not each["accepted"] and log_odds(each["probability"]) - log_odds(each["threshold"]) > -2.5
    ]
    removed, kept = accepted[:remove], accepted[remove:]
    maybe = [tag for tag in near if tag not in add][:6]
    probability = {each["tag"]: each["probability"] for each in found}
    shown = [
        {"tag": tag, "probability": probability[tag], "source": "author" if tag in add else "model"}
        for tag in (*kept, *maybe, *add, *removed)
    ]
    body = {"record": record, "shown": shown, "kept": kept, "added": list(add), "removed": removed, **more}
    posted = httpx.post(f"{url}/v1/annotations", json=body, timeout=30)
    assert posted.status_code == 201, posted.text
    return {**body, "maybe": maybe}


def test_stored_imported_and_merged(
    serving: Callable[..., AbstractContextManager[str]],
    tagnet: Tagnet,
    exports: Path,
    small_records: Path,
    tmp_path: Path,
) -> None:
    rows = json.loads(small_records.read_text(encoding="utf-8"))
    texts = [{name: row[name] for name in ("title", "description")} for row in rows]
    page, log, new = (tmp_path / name for name in ("page.jsonl", "answers.jsonl", "new.json"))
    records = ("--records", str(small_records))
    with serving(exports / "two", "--annotations", str(page)) as url:
        known = [each["tag"] for each in httpx.get(f"{url}/v1/labels", timeout=30).json()["tags"]]
        own = [next(tag for tag in known if tag not in row["tags"]) for row in rows[:4]]
        said = [
            answer(url, {"id": rows[0]["id"], **texts[0]}, remove=1, annotator="ann"),
            answer(url, {"id": str(rows[1]["id"]), **texts[1]}, add=(own[1],), comment="so it is", annotator="ann"),
            answer(url, texts[2], annotator="ben"),  # typed, without an id: the record is found by its text
            answer(url, {"title": "Something else", "description": "of which there is no record"}),
        ]
    assert any(each["maybe"] for each in said)
    assert said[0]["removed"]

    # Without the records, texts without an id are for a person to look at.
    code, _, err = tagnet("label", "import", "--tool", "tagnet", str(page), "--output", str(tmp_path / "some.jsonl"))
    assert code == 0, err
    assert "2 new answers" in err
    assert (tmp_path / "some.review.jsonl").read_text().count("with --records it is looked up by its text") == 2

    words = ("label", "import", "--tool", "tagnet", str(page), "--output", str(log), *records)
    for new_ones in ("3 new answers", "0 new answers"):
        code, _, err = tagnet(*words)
        assert code == 0, err
        assert new_ones in err
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line, each, row in zip(lines, said, rows, strict=False):
        assert str(line["project_id"]) == str(row["id"])
        # What was shown to choose from, and left alone, was not turned down.
        assert [sorted(line[key]) for key in ("kept", "added", "removed")] == [
            sorted(each[key]) for key in ("kept", "added", "removed")
        ]
    assert [line["annotator"] for line in lines] == ["ann", "ann", "ben"]
    assert lines[1]["comment"] == "so it is"
    (entry,) = [json.loads(line) for line in (tmp_path / "answers.review.jsonl").read_text().splitlines()]
    assert entry["reason"] == "not_our_task"
    assert "expected one record" in entry["detail"]

    code, _, err = tagnet("label", "merge", *records, "--answers", str(log), "--output", str(new))
    assert code == 0, err
    merged = json.loads(new.read_text(encoding="utf-8"))
    for place, (before, after) in enumerate(zip(rows, merged, strict=True)):
        if place < 3:
            gone, come = said[place]["removed"], [*said[place]["kept"], *said[place]["added"]]
            assert set(after["tags"]) == (set(before["tags"]) - set(gone)) | set(come)
        else:
            assert after == before
