"""Where chosen tasks go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tagnet.cli import label_target
from tagnet.cli.console import message_console
from tagnet.cli.label_target import Target
from tagnet.errors import ConfigError
from tagnet.labeling.tasks import TaskBatch, make_batch
from tagnet.records.record import Record

BATCH = make_batch([Record(1, {"title": "Sets"}, ("a",), None)], ["title"])


def target(**changes: Any) -> Target:
    settings = {"tool": None, "output": None, "project": None, "url": "http://localhost:1", "token_file": None}
    return Target(**{**settings, "control": "choices", **changes})


def test_nowhere() -> None:
    assert target().open() is None


def test_to_a_file(tmp_path: Path) -> None:
    output = tmp_path / "tasks.json"
    send = target(tool="label-studio", output=output, control="taxonomy").open()
    assert send is not None
    assert not output.exists()
    assert send(BATCH, message_console()).startswith(str(output))
    assert json.loads(output.read_text())[0]["data"]["title"] == "Sets"
    assert "<Taxonomy" in (tmp_path / "tasks.config.xml").read_text()


def test_to_a_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pushed: list[tuple[str, str, TaskBatch, str]] = []
    monkeypatch.setattr(
        label_target,
        "push_batch",
        lambda server, connection, batch, control, _: pushed.append((server.project, connection.url, batch, control)),
    )
    token = tmp_path / "token"
    token.write_text("secret-word-of-a-test\n")
    send = target(project="Suspects", token_file=token).open()
    assert send is not None
    assert send(BATCH, message_console()) == "project 'Suspects'"
    assert pushed == [("Suspects", "http://localhost:1", BATCH, "choices")]


@pytest.mark.parametrize(
    "changes",
    [{"tool": "csv"}, {"output": Path("x")}, {"tool": "csv", "output": Path("x"), "project": "y"}],
)
def test_half_a_target_and_two(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="expected --tool TOOL --output FILE, or --project TITLE, or none of them"):
        target(**changes).open()


def test_an_output_beside_a_project() -> None:
    with pytest.raises(ConfigError, match="found --output and --project"):
        target(output=Path("x"), project="y").open()
