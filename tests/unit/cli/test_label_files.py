"""What the commands of `tagnet label` write and refuse; whole rounds are in tests/integration/test_labeling.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.cli.label_files import run_export, run_import, run_merge
from tagnet.errors import ConfigError, LabelingError

ROWS = [{"id": n, "name": f"Title {n}", "labels": ["a"] if n else [], "text": "words"} for n in range(3)]


@pytest.fixture
def export(tmp_path: Path) -> Callable[..., Path]:
    records = tmp_path / "records.json"
    records.write_text(json.dumps(ROWS))

    def run(tool: str, name: str = "tasks", **changes: Any) -> Path:
        settings = {
            "bundle": None,
            "taxonomy": None,
            "features": [],
            "columns": ["tags=labels", "title=name"],
            "control": "choices",
            "max_choices": None,
            "device": "cpu",
        }
        run_export(tool, str(records), tmp_path / name, **{**settings, **changes})
        return tmp_path / name

    return run


def test_columns_and_features(export: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    first = json.loads(export("label-studio").read_text())[1]["data"]
    assert first["text"] == "Title 1"
    assert "3 tasks, 1 tags to choose from" in capsys.readouterr().err
    second = json.loads(export("label-studio", "other", features=["text", "title"]).read_text())[1]["data"]
    assert second["text"] == "words\n\nTitle 1"


def test_a_field_that_is_not_there_is_named(export: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match="did you mean text"):
        export("csv", features=["title", "texts"])


def test_the_same_export_may_be_written_again(export: Callable[..., Path]) -> None:
    for tool in ("csv", "brat"):
        path = export(tool, tool)
        export(tool, tool)
        target = path / "1.ann" if path.is_dir() else path
        target.write_text(target.read_text() + "T9\tb 0 1\tx\n")
        with pytest.raises(LabelingError, match="people may have worked"):
            export(tool, tool)


def test_choices_are_limited_where_tasks_repeat_them(
    export: Callable[..., Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    taxonomy = tmp_path / "tags.json"
    taxonomy.write_text(json.dumps([{"tag": "x"}, {"tag": "y"}]))
    path = export("prodigy", taxonomy=str(taxonomy), max_choices=1)
    assert "1 of the 3 tags" in capsys.readouterr().err
    assert [len(json.loads(line)["options"]) for line in path.read_text().splitlines()] == [1, 2, 2]
    with pytest.raises(ConfigError, match="max-choices"):
        export("csv", "t.csv", max_choices=1)
    with pytest.raises(ConfigError, match="--control taxonomy: expected --tool label-studio"):
        export("csv", "t.csv", control="taxonomy")
    with pytest.raises(ConfigError, match="control"):
        export("csv", "t.csv", control="tree")


def test_merging_keeps_other_columns(export: Callable[..., Path], tmp_path: Path) -> None:
    sheet = export("csv", "t.csv")
    sheet.write_text(sheet.read_text().replace("Title 2,a", 'Title 2,"b, a"'))
    log, new = tmp_path / "answers.jsonl", tmp_path / "new.json"
    run_import("csv", sheet, log, taxonomy=None, annotator="ann")
    settings: dict[str, Any] = {"taxonomy": None, "rule": "latest", "columns": ["tags=labels", "title=name"]}
    run_merge(str(tmp_path / "records.json"), log, new, **settings)
    merged = json.loads(new.read_text())
    assert merged == [*ROWS[:2], {**ROWS[2], "labels": ["a", "b"]}]
    assert list(merged[2]) == list(ROWS[2])
