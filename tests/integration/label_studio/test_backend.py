"""The real Label Studio asks `tagnet serve --label-studio`: suggestions while people label, and a batch that starts."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tagnet.prediction.onnx_tagger import OnnxTagger

pytestmark = pytest.mark.slow

TOKEN = "a-token-of-the-server"
NOTES = "import os, sys; open(sys.argv[1], 'a').write(os.environ['TAGNET_LABELLED_BATCH'] + ' ' + sys.argv[2] + '\\n')"


def until(condition: Callable[[], object]) -> None:
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come about within five minutes")


def events(path: Path) -> list[dict[str, Any]]:
    return [row for row in map(json.loads, path.read_text().splitlines()) if "event" in row]


def test_label_studio_asks_and_tells(
    studio: Any,
    ends: Callable[..., str],
    serving: Callable[..., AbstractContextManager[str]],
    exports: Path,
    small_records: Path,
    tmp_path: Path,
) -> None:
    rows = json.loads(small_records.read_text(encoding="utf-8"))[:20]
    records, noted, started = (tmp_path / name for name in ("records.json", "events.jsonl", "started.txt"))
    records.write_text(json.dumps(rows))
    title = "With a backend"
    ends(0, "push", "--records", records, "--project", title, "--url", studio.url)
    number = studio.number(title)
    tasks = {task["data"]["project_id"]: task for task in studio.tasks(title)}
    tagger = OnnxTagger.load(exports / "one")
    # The project offers other tags than the model knows: of these, one is taken out of its config.
    config = studio.ask("GET", f"/api/projects/{number}/")["label_config"]
    gone = max(tagger.tags, key=lambda tag: sum(tag in row["tags"] for row in rows))
    assert f'<Choice value="{gone}"/>' in config
    config = config.replace(f'<Choice value="{gone}"/>', "")
    studio.ask("PATCH", f"/api/projects/{number}/", {"label_config": config})

    words = shlex.join([sys.executable, "-c", NOTES, str(started), "$(touch /tmp/no) ; a b"])
    options = ("--label-studio", "--label-studio-events", str(noted), "--on-labelled", words, "--labelled-batch", "2")
    with serving(exports / "one", *options, TAGNET_TOKEN=TOKEN) as url:
        basic = {"auth_method": "BASIC_AUTH", "basic_auth_user": "label-studio", "basic_auth_pass": TOKEN}
        backend = studio.ask("POST", "/api/ml/", {"url": url, "project": number, "title": "tagnet backend", **basic})
        (found,) = studio.ask("GET", f"/api/ml/?project={number}")
        version = tagger.described.model_version
        assert (found["state"], found["model_version"]) == ("CO", version)
        assert studio.ask("GET", f"/api/ml/{backend['id']}/versions")["versions"] == [version]

        # -------------------------------------------------------------------------------------------------- it asks
        action = f"/api/dm/actions?id=retrieve_tasks_predictions&project={number}"
        chosen = {"selectedItems": {"all": True, "excluded": []}, "project": number}
        studio.ask("POST", action, chosen)
        predicted = {
            each["task"]: each
            for each in studio.ask("GET", f"/api/predictions/?project={number}")
            if each["model_version"] == version
        }
        assert len(predicted) == len(rows)
        texts = [{name: row[name] or "" for name in ("title", "description")} for row in rows]
        wanted = tagger.to_predictions(tagger.probabilities(texts))
        some = 0
        for row, tags in zip(rows, wanted, strict=True):
            known = [t for t in tags if t.accepted and f'<Choice value="{t.tag}"/>' in config]
            prediction = predicted[tasks[row["id"]]["id"]]
            result = [tag for part in prediction["result"] for tag in part["value"]["choices"]]
            assert result == [t.tag for t in known]
            if known:
                mean = sum(t.probability for t in known) / len(known)
                assert prediction["score"] == pytest.approx(mean, abs=1e-4)
            some += len(known)
        assert some > 0

        # -------------------------------------------------------------------------------- it tells, and tells it twice
        (hook,) = studio.ask("GET", f"/api/webhooks/?project={number}")
        assert hook["url"] == f"{url}/webhook"
        studio.answer(tasks[rows[0]["id"]]["id"], ["a"])
        assert not noted.read_text()  # that webhook has no token yet
        headers = {"headers": {"Authorization": f"Bearer {TOKEN}"}}
        studio.ask("PATCH", f"/api/webhooks/{hook['id']}/", headers)
        again = {"url": hook["url"], "project": number, "send_payload": True, "send_for_all_actions": True, **headers}
        studio.ask("POST", "/api/webhooks/", again)
        for row in rows[1:4]:
            studio.answer(tasks[row["id"]]["id"], row["tags"])
        studio.answer(tasks[rows[4]["id"]]["id"], None)
        until(lambda: len(events(noted)) == 4)
        until(lambda: started.exists() and started.read_text())
    found = [(row["project_id"], row["action"], row["answered"]) for row in events(noted)]
    ids = [row["id"] for row in rows]
    assert found == [(ids[place], "ANNOTATION_CREATED", place != 4) for place in (1, 2, 3, 4)]
    assert started.read_text() == "1 $(touch /tmp/no) ; a b\n"

    # ------------------------------------------------------------------------ the server starts again, and knows it
    with serving(exports / "one", *options, TAGNET_TOKEN=TOKEN) as url:
        studio.ask("PATCH", f"/api/webhooks/{hook['id']}/", {"url": f"{url}/webhook", **headers})
        studio.answer(tasks[rows[1]["id"]]["id"], ["a"])  # a second answer to a finished task finishes none
        until(lambda: len(events(noted)) == 5)
        studio.answer(tasks[rows[5]["id"]]["id"], ["a"])
        until(lambda: len(started.read_text().splitlines()) == 2)
    assert [line.split()[0] for line in started.read_text().splitlines()] == ["1", "2"]
