"""The real Label Studio 1.23.2: out to it, answered there, back, merged, trained on; cut and killed in the middle."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

Tagnet = Callable[..., tuple[int, str, str]]
ANN, BEN = "ann@example.org", "ben@example.org"
ADMIN_TOKEN = "0123456789abcdef0123456789abcdef01234567"


def records_of(tasks: list[dict[str, Any]]) -> Counter[str]:
    return Counter(str(task["data"]["project_id"]) for task in tasks)


@pytest.mark.long
def test_2032_projects_out_answered_by_two_back_and_trained_on(
    studio: Any,
    proxy: Any,
    is_killed: Callable[..., None],
    ends: Callable[..., str],
    tagnet: Tagnet,
    shared_data: Path,
    tmp_path: Path,
) -> None:
    records = shared_data / "projects.json"
    rows = json.loads(records.read_text(encoding="utf-8"))
    title = "MadeWithML"
    push = ("push", "--records", records, "--project", title)
    through, straight = (("--url", url) for url in (proxy.url, studio.url))

    # ------------------------------------------------------------------------------- out, cut and killed on the way
    proxy.cut("/import ", 3, "in the question")
    assert "Run the same command again" in ends(2, *push, *through)
    assert 0 < len(studio.tasks(title)) < len(rows)
    is_killed("/import ", 3, "in the question", *push, *through)
    # The server takes these in though nobody hears of it, while the next command is looking already.
    proxy.cut("/import ", 2, "before the answer")
    assert "Run the same command again" in ends(2, *push, *through)
    is_killed("/import ", 2, "before the answer", *push, *through)
    said = ends(0, *push, *straight)
    assert f"project '{title}'" in said

    expected = Counter(str(row["id"]) for row in rows)
    tasks = studio.tasks(title)
    assert len(tasks) == 2032
    assert records_of(tasks) == expected
    assert "0 tasks sent, 2032 were there" in ends(0, *push, *straight)
    assert records_of(studio.tasks(title)) == expected

    # ------------------------------------------------------------------------------------------ answered by two users
    ben = studio.sign_up(BEN)
    by_record = {task["data"]["project_id"]: task for task in tasks}
    own = {row["id"]: row["tags"] for row in rows}
    offered = sorted({tag for tags in own.values() for tag in tags})
    wanted: dict[int, list[str] | None] = {}
    for place, row in enumerate(rows[:30]):
        tags = row["tags"]
        extra = next(tag for tag in offered if tag not in tags)
        kinds: list[list[str] | None] = [tags, tags[1:], [*tags, extra], None, []]
        wanted[row["id"]] = kinds[place % 5]
        studio.answer(by_record[row["id"]]["id"], kinds[place % 5])
    both = [row["id"] for row in rows[:30:2]]
    for identity in both:
        wanted[identity] = own[identity][:1]  # the later answer
        studio.answer(by_record[identity]["id"], wanted[identity], ben)

    # ------------------------------------------------------------------------------ back, cut and killed on the way
    log = tmp_path / "answers.jsonl"
    pull = ("pull", "--project", title, "--output", log)
    proxy.cut("/api/tasks/", 3, "in the answer", times=99)
    assert "expected an answer of Label Studio, found none" in ends(2, *pull, *through)
    assert not log.exists()
    proxy.cuts = []
    is_killed("/api/tasks/", 4, "in the answer", *pull, *through)
    assert not list(tmp_path.glob("answers*"))
    proxy.cut("/api/tasks/", 5, "in the answer")  # one cut alone is got over
    assert "45 new answers, 2002 tasks wait" in ends(0, *pull, *through)
    before = log.read_bytes()
    assert "0 new answers, 45 known ones" in ends(0, *pull, *straight)
    assert log.read_bytes() == before
    lines = [json.loads(line) for line in before.decode().splitlines()]
    assert Counter(line["annotator"] for line in lines) == {ANN: 30, BEN: 15}
    assert Counter(line["skipped"] for line in lines if line["annotator"] == ANN) == {False: 24, True: 6}
    assert not (tmp_path / "answers.review.jsonl").exists()
    stands = ends(0, "status", "--project", title, "--records", records, "--answers", log, *straight)
    assert dict(re.findall(r"│ (.*?) +│ +(\d+) │", stands)) == {
        "tasks": "2032",
        "answered": "27",  # three of the six that one skipped were answered by the other
        "only skipped": "3",
        "waiting": "2002",
        "answers not in the log yet": "0",
        "records to push": "0",
        f"answers of {ANN}": "30",
        f"answers of {BEN}": "15",
    }

    for path in tmp_path.rglob("*"):
        assert not path.is_file() or ADMIN_TOKEN.encode() not in path.read_bytes()

    # ------------------------------------------------------------------------------------------ merged and trained on
    new = tmp_path / "new.json"
    ends(0, "merge", "--records", records, "--answers", log, "--output", new)
    merged = {row["id"]: row for row in json.loads(new.read_text(encoding="utf-8"))}
    for row in rows:
        tags = wanted.get(row["id"])
        assert merged[row["id"]] == {**row, "tags": row["tags"] if tags is None else tags}
    settings = ("encoder=tiny", "trainer=cpu", "trainer.max_epochs=1", "evaluation.baselines=[prior]", "logger=none")
    small = ("labels.min_count=30", "labels.untagged=negative", "evaluation.bootstrap_samples=50")
    code, _, err = tagnet("train", *settings, *small, f"data.records={new}", f"run.dir={tmp_path / 'run'}")
    assert code == 0, err
    fingerprint = json.loads((tmp_path / "new.version.json").read_text())["fingerprint"]
    assert fingerprint in (tmp_path / "run" / "data.json").read_text()


def test_a_project_that_others_work_on_too(studio: Any, ends: Callable[..., str], tmp_path: Path) -> None:
    rows = [{"id": n, "title": f"Title {n}", "description": "Words.", "tags": ["a", "b"][: n % 3]} for n in range(1, 8)]
    records, log = tmp_path / "records.json", tmp_path / "answers.jsonl"
    records.write_text(json.dumps(rows))
    title, at = "Others' too", ("--url", studio.url)
    push = ("push", "--records", records, "--project", title, *at)
    assert "7 tasks sent → new project" in ends(0, *push)
    number = studio.number(title)
    tasks = {task["data"]["project_id"]: task for task in studio.tasks(title)}

    # A foreign task, a text that is edited on the server, a made-up tag, a tag that is taken out of the config.
    studio.ask("POST", f"/api/projects/{number}/import", [{"data": {"text": "not ours"}}])
    (foreign,) = [task for task in studio.tasks(title) if "project_id" not in task["data"]]
    studio.answer(foreign["id"], ["a"])
    studio.answer(tasks[1]["id"], ["a", "made-up"])
    studio.ask("PATCH", f"/api/tasks/{tasks[2]['id']}/", {"data": {**tasks[2]["data"], "text": "another text"}})
    studio.answer(tasks[2]["id"], ["b"])
    config = studio.ask("GET", f"/api/projects/{number}/")["label_config"]
    hint = '<Header value="Read first"/>'
    moved = config.replace('<Choice value="b"/>', "").replace("<View>", f"<View>{hint}")
    studio.ask("PATCH", f"/api/projects/{number}/", {"label_config": moved})
    assert "1 new answers, 5 tasks wait" in ends(0, "pull", "--project", title, "--output", log, *at)
    review = [json.loads(line) for line in (tmp_path / "answers.review.jsonl").read_text().splitlines()]
    found = {each["reason"]: each for each in review}
    assert set(found) == {"not_our_task", "unknown_tags", "text_changed"}
    assert found["unknown_tags"]["tags"] == ["made-up"]
    assert found["text_changed"]["tags"] == ["b"]
    assert found["not_our_task"]["found"]["data"] == {"text": "not ours"}

    # The record whose task was edited is sent again, as is that whose text has changed; the config gets its tag back.
    rows[2]["title"] = "Another title"
    records.write_text(json.dumps(rows))
    said = ends(0, *push)
    assert "2 tasks sent, 5 were there" in said
    assert "1 tags were put into its labeling config" in said
    assert "2 tasks show an earlier text" in said
    after = studio.ask("GET", f"/api/projects/{number}/")["label_config"]
    assert "Read first" in after
    assert after.count("<Choice ") == 2
    assert "0 tasks sent, 7 were there" in ends(0, *push)

    # Without our control nothing is sent; what was answered comes in nevertheless.
    studio.ask("PATCH", f"/api/projects/{number}/", {"label_config": '<View><Text name="text" value="$text"/></View>'})
    assert "its labeling config has moved on" in ends(2, *push)
    said = ends(0, "pull", "--project", title, "--output", log, *at)
    assert "0 new answers, 1 known ones" in said
    assert "its labeling config has moved on" in said


def test_tokens(studio: Any, ends: Callable[..., str], tmp_path: Path) -> None:
    """A personal access token is exchanged; a wrong one, of either kind, is one clear error."""
    personal = studio.ask("POST", "/api/token/", {})["token"]
    token = tmp_path / "token"
    status = ("status", "--project", "Others' too", "--url", studio.url, "--token-file", token)
    token.write_text(personal + "\n")
    assert "waiting" in ends(0, *status)
    for wrong in ("wrong", personal[:-3] + "abc"):
        token.write_text(wrong)
        said = ends(2, *status)
        assert "the server refuses the token (401" in said
        assert wrong not in said
