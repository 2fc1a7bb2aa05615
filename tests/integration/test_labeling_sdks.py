"""What we write, held against the tools' own SDKs: argilla 2.8.0, label-studio-sdk 2.1.2, scaleapi 2.18.4.

They want other versions of NumPy and friends than tagnet, so that they run in an environment of their own; it is made
here, or is the one whose Python TAGNET_LABELING_SDKS names.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

PINS = ("argilla==2.8.0", "label-studio-sdk==2.1.2", "scaleapi==2.18.4")
Tagnet = Callable[..., tuple[int, str, str]]

LABEL_STUDIO = """
import json, sys
from label_studio_sdk.label_interface import LabelInterface

tasks, config = json.load(open(sys.argv[1])), open(sys.argv[1].replace(".json", ".config.xml")).read()
interface = LabelInterface(config)
interface.validate()
for task in tasks:
    for prediction in task["predictions"]:
        errors = interface.validate_prediction(prediction, return_errors=True)
        assert not errors, errors
    control = interface.get_control("tags")
    assert control.to_name == ["text"]
wrong = {"result": [{**tasks[0]["predictions"][0]["result"][0], "from_name": "labels"}]}
assert interface.validate_prediction(wrong, return_errors=True)
print(len(tasks))
"""

ARGILLA = """
import json, sys, uuid
from argilla import Record, Response
from argilla._models import FieldModel, QuestionModel
from argilla.records._io import GenericIO, JsonIO

settings = json.load(open(sys.argv[1].replace(".json", ".settings.json")))
(question,) = [QuestionModel(**each) for each in settings["questions"]]
offered = {option["value"] for option in question.settings.options}
assert [FieldModel(**each).name for each in settings["fields"]] == ["text"]
records = JsonIO._records_from_json(sys.argv[1])
user = uuid.UUID(int=7)
for place, record in enumerate(records):
    shown = [each.value for each in record.suggestions]
    value = shown[0][1:] if shown else []
    assert set(value) <= offered
    status = "discarded" if place == 0 else "submitted"
    record.responses.add(Response("tags", value or ["[no tag]"], user, status=status))
JsonIO.to_json(records, sys.argv[2] + "nested.json")
json.dump(GenericIO.to_list(records, flatten=True), open(sys.argv[2] + "flat.json", "w"))
print(len(records))
"""

SCALE = """
import json, sys
from scaleapi import ScaleClient
from scaleapi.tasks import TaskType

client = ScaleClient("a key that is never sent")
sent = []

def post_request(endpoint, body=None, files=None):
    assert endpoint == "task/textcollection"
    sent.append(body)
    params = {key: body[key] for key in ("attachments", "fields", "instruction")}
    return {"task_id": str(len(sent)), "type": "textcollection", "metadata": body["metadata"], "params": params}

client.api.post_request = post_request
tasks = []
for body in json.load(open(sys.argv[1])):
    task = client.create_task(TaskType.TextCollection, **body).as_dict()
    response = body.get("hypothesis", {"annotations": {"tags": {"response": [[]]}}})["annotations"]["tags"]["response"]
    tasks.append({**task, "status": "completed", "response": {"annotations": {"tags": response}}})
assert sent == json.load(open(sys.argv[1]))
json.dump(tasks, open(sys.argv[2], "w"))
print(len(tasks))
"""


@pytest.fixture(scope="module")
def sdks(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python that has the SDKs."""
    named = os.environ.get("TAGNET_LABELING_SDKS")
    if named:
        return named
    folder = tmp_path_factory.mktemp("sdks") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=300)
    python = str(folder / "bin" / "python")
    done = subprocess.run([python, "-m", "pip", "install", "-q", *PINS], capture_output=True, text=True, timeout=1800)
    if done.returncode:
        pytest.skip(f"the SDKs of the labelling tools cannot be installed: {done.stderr.strip()[-200:]}")
    return python


@pytest.fixture
def under_sdk(sdks: str, tmp_path: Path) -> Callable[..., str]:
    def run(script: str, *arguments: Path | str) -> str:
        environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": ""}
        done = subprocess.run(
            [sdks, "-c", script, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.strip()

    return run


@pytest.fixture
def export(tagnet: Tagnet, small_records: Path, tmp_path: Path) -> Callable[..., Path]:
    def run(tool: str, *more: str) -> Path:
        path = tmp_path / f"{tool}.json"
        words = ["label", "export", "--tool", tool, "--records", str(small_records), "--output", str(path), *more]
        code, _, err = tagnet(*words)
        assert code == 0, err
        return path

    return run


@pytest.fixture
def imported(tagnet: Tagnet, tmp_path: Path) -> Callable[[str, Path], list[dict[str, Any]]]:
    def run(tool: str, path: Path) -> list[dict[str, Any]]:
        output = tmp_path / f"{path.stem}.answers.jsonl"
        code, _, err = tagnet("label", "import", "--tool", tool, str(path), "--output", str(output))
        assert code == 0, err
        return [json.loads(line) for line in output.read_text().splitlines()]

    return run


@pytest.mark.parametrize("control", ["choices", "taxonomy"])
def test_label_studio_takes_config_tasks_and_predictions(
    export: Callable[..., Path], under_sdk: Callable[..., str], control: str
) -> None:
    path = export("label-studio", "--control", control, "--taxonomy", "embedded")
    assert under_sdk(LABEL_STUDIO, path) == "300"


def test_argilla_reads_records_and_gives_answers(
    export: Callable[..., Path],
    under_sdk: Callable[..., str],
    imported: Callable[..., list[dict[str, Any]]],
    small_records: Path,
    tmp_path: Path,
) -> None:
    assert under_sdk(ARGILLA, export("argilla"), f"{tmp_path}/") == "300"
    rows = json.loads(small_records.read_text())
    for name in ("nested", "flat"):
        answers = imported("argilla", tmp_path / f"{name}.json")
        # The SDK's nested JSON does not say that a response was discarded; its flat one does.
        skipped = [place for place, answer in enumerate(answers) if answer["skipped"]]
        assert skipped == ([0] if name == "flat" else [])
        for row, answer in list(zip(rows, answers, strict=True))[1:]:
            assert (answer["project_id"], answer["kept"], answer["removed"], answer["empty"]) == (
                row["id"],
                row["tags"][1:],
                row["tags"][:1],
                len(row["tags"]) < 2,
            )


def test_scaleapi_sends_what_we_write(
    export: Callable[..., Path],
    under_sdk: Callable[..., str],
    imported: Callable[..., list[dict[str, Any]]],
    small_records: Path,
    tmp_path: Path,
) -> None:
    assert under_sdk(SCALE, export("scale"), tmp_path / "done.json") == "300"
    answers = imported("scale", tmp_path / "done.json")
    rows = json.loads(small_records.read_text())
    assert [(answer["project_id"], answer["kept"]) for answer in answers] == [(row["id"], row["tags"]) for row in rows]
