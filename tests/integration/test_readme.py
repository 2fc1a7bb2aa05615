"""Every command of the README runs as it stands there, on small data and with a small encoder."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.serving.process import running
from tagnet.cli.crossval import split_arguments
from tagnet.cli.sweep_request import read_request

Tagnet = Callable[..., tuple[int, str, str]]
SMALL = (
    "encoder=tiny",
    "trainer.max_epochs=1",
    "trainer.batch_size=32",
    "evaluation.bootstrap_samples=50",
    "evaluation.baselines=[prior]",
)
SMALL_SIMULATION = ("encoder=tiny", "--seeds", "2", "--start", "60", "--labels", "110", "--tags", "5")


def blocks(repository: Path, language: str) -> list[str]:
    """The README's code blocks of a language."""
    text = (repository / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def whole_lines(block: str) -> list[str]:
    """A command a line: one with a quoted line break in it is one command."""
    lines = [""]
    for line in block.splitlines():
        try:
            shlex.split(lines[-1], comments=True)
            lines.append(line)
        except ValueError:  # a quotation is open
            lines[-1] += f"\n{line}"
    return lines


def commands(repository: Path) -> list[list[str]]:
    """The words of every command line, without comments, the path of the environment, and variables set for it."""
    lines = [line for block in blocks(repository, "bash") for line in whole_lines(block) if line.strip()]
    words = [shlex.split(line, comments=True) for line in lines]
    words = [line[1:] if re.fullmatch(r"[A-Z_]+=.*", line[0]) else line for line in words]
    return [[word.removeprefix(".venv/bin/") for word in line] for line in words]


def answer_tasks(folder: Path) -> None:
    """What Label Studio exports once somebody has accepted all that was suggested."""
    tasks: list[dict[str, Any]] = json.loads((folder / "tasks.json").read_text())
    for number, task in enumerate(tasks, start=1):
        result = task["predictions"][0]["result"] if task.get("predictions") else []
        answer = {"result": result, "completed_by": 1, "was_cancelled": False, "updated_at": "2026-01-01T00:00:00Z"}
        task |= {"id": number, "annotations": [{"id": number, **answer}]}
    (folder / "answered.json").write_text(json.dumps(tasks))


def asked_as_curl_does(words: list[str], port: int) -> Any:
    """What the server answers to a curl command of the README, on the port where it listens."""
    after = dict(pairwise(words))
    address = next(word for word in words if word.startswith("localhost:8000"))
    name, _, value = after["-H"].partition(": ")
    answer = httpx.post(f"http://{address.replace('8000', str(port))}", content=after["-d"], headers={name: value})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the files that the README speaks of."""
    rows: list[dict[str, Any]] = json.loads((files("tagnet.corpus") / "projects.json").read_text(encoding="utf-8"))
    (tmp_path / "projects.json").write_text(json.dumps(rows[:400]))
    (tmp_path / "labelled.json").write_text(json.dumps(rows[400:500]))
    partly = [row if place < 300 else {**row, "tags": []} for place, row in enumerate(rows[:400])]
    (tmp_path / "partly.json").write_text(json.dumps(partly))
    (tmp_path / "functions.yaml").write_text("functions: [{kind: names, name: names}]")
    new = [{key: row[key] for key in ("id", "title", "description")} for row in rows[500:520]]
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in new))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_runs(
    repository: Path, folder: Path, tagnet: Tagnet, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAGNET_DATA", str(shared_data))
    ran = []
    for words in commands(repository):
        if words[0].startswith("./scripts/"):
            assert (repository / words[0]).is_file(), words
            continue
        if words[0] == "curl":
            continue  # asked while the server runs
        assert words[0] == "tagnet", words
        if "-m" in words:
            read_request([word for word in words[2:] if word != "-m"])  # tests/integration/test_sweeps.py runs sweeps
            continue
        if words[1] == "crossval":
            read_request(split_arguments(words[2:])[0])  # tests/integration/test_crossval_and_compare.py runs one
            continue
        if words[1] == "serve":
            with running(folder / words[2], folder / "log.txt", *words[3:]) as server:
                assert httpx.get(f"http://127.0.0.1:{server.port}/ready").status_code == 200
                for asked in (each for each in commands(repository) if each[0] == "curl"):
                    answer = asked_as_curl_does(asked, server.port)
                    said = next(json.loads(block) for block in blocks(repository, "json") if "model_version" in block)
                    assert answer.keys() == said.keys()
                    tags, said_tags = answer["results"][0]["tags"], said["results"][0]["tags"]
                    assert [each.keys() for each in tags] == [each.keys() for each in said_tags]
                    ran.append("curl")
            ran.append("serve")
            continue
        if any(word.startswith(("runs/sweep", "experiment=runs/sweep")) for word in words):
            continue  # what a sweep has left
        trains = words[1] in ("train", "inspect") or words[1:3] == ["label", "loop"]
        small: tuple[str, ...] = SMALL if trains and "--help" not in words else ()
        small = SMALL_SIMULATION if words[1:3] == ["label", "simulate"] else small
        words = ["runs/mine/bundle" if word == "runs/quickstart/bundle" else word for word in words[1:]]
        if "runs/mine/bundle" in words and not (folder / "runs" / "mine").exists():
            code, _, err = tagnet("train", "data.records=projects.json", "run.dir=runs/mine", *SMALL)
            assert code == 0, err
        if "run.dir=runs/mine" in words and (folder / "runs" / "mine").exists():
            words = ["run.dir=runs/again" if word == "run.dir=runs/mine" else word for word in words]
        if words[:2] == ["label", "import"]:
            answer_tasks(folder)
        code, _, err = tagnet(*words, *small)
        # Two runs of one epoch may well lose a tag.
        assert code == 0 or (code == 1 and "--gate" in words), (words, err)
        ran.append(words[0])
    assert {"train", "inspect", "predict", "evaluate", "export", "serve", "curl", "label"} <= set(ran)
    assert len(json.loads((folder / "projects-2.json").read_text())) == 400
    assert len((folder / "loops" / "mine" / "rounds" / "000" / "tasks.csv").read_text().splitlines()) > 50
    lines = [json.loads(line) for line in (folder / "tags.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == list(range(501, 521))
    assert set(lines[0]["tags"][0]) == {"tag", "probability", "threshold", "accepted"}


def test_the_settings_of_the_table_compose(repository: Path, tagnet: Tagnet) -> None:
    text = (repository / "README.md").read_text(encoding="utf-8")
    table = [line for line in text.splitlines() if line.startswith("| ") and "`" in line]
    checked = 0
    for line in table:
        said = line.split("|")[2]
        for setting in re.findall(r"`([\w.]+=[^`]*)`", said):
            settings = shlex.split(setting) if "{" not in setting else [setting]
            code, _, err = tagnet("train", *settings, "--cfg", "job")
            if "data.feature_tokens" not in setting:  # names a feature that only its neighbour in the table adds
                assert code == 0, (setting, err)
            checked += 1
    assert checked > 20


def test_the_python_of_the_readme_runs(repository: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tagnet
    from tagnet.cli import compose

    real = compose.train_config
    monkeypatch.setattr(compose, "train_config", lambda *words: real(*words, *SMALL))
    scope: dict[str, Any] = {}
    for block in blocks(repository, "python"):
        exec(compile(block, "README.md", "exec"), scope)
    assert isinstance(scope["run"], tagnet.Run)
    assert len(scope["tagger"].predict(["A map"], top=3)[0]) == 3
