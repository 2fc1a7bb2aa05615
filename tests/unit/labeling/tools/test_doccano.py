"""doccano's shapes: doccano/doccano at 1.8.4, backend/data_import/pipeline/parsers.py (JSONLParser) for what it reads,

backend/data_export/models.py (ExportedExample.to_dict) and pipeline/factories.py for what it writes.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.errors import LabelingError
from tagnet.labeling.collect import collect
from tagnet.labeling.tasks import TaskBatch
from tagnet.labeling.tools.doccano import Doccano


def as_exported(line: str, label: list[str], comments: list[str]) -> str:
    """`id`, `text`, the meta, `label` and `Comments`, as ExportedExample and the formatters make it."""
    row = json.loads(line.rstrip())
    meta = {key: value for key, value in row.items() if key not in ("text", "label")}
    return json.dumps({"id": 41, "text": row["text"], **meta, "label": label, "Comments": comments}, ensure_ascii=False)


@pytest.fixture
def lines(batch: TaskBatch, tmp_path: Path) -> list[str]:
    output, labels = Doccano().write(batch, tmp_path / "tasks.jsonl")
    assert labels.name == "tasks.labels.json"
    assert [each["text"] for each in json.loads(labels.read_text())] == ["[skip]", "a", "b"]
    assert output.read_text().isascii()
    return output.read_text().splitlines()


def read(path: Path) -> Any:
    return collect(Doccano().read(path), tool="doccano", file=path.name, file_sha256=None)


def test_what_goes_in(lines: list[str]) -> None:
    first = json.loads(lines[0])
    assert (first["text"], first["label"], first["project_id"]) == ("Sets\n\nA tour.", ["a", "b"], 1)
    assert "id" not in first


def test_what_comes_out(lines: list[str], write_rows: Callable[..., Path]) -> None:
    out = [as_exported(lines[0], ["b"], ["so", "and so"]), as_exported(lines[1], [], [])]
    found = read(write_rows("admin.jsonl", "\n".join(out) + "\n"))
    first, second = (answer for answer, _ in found.answers)
    assert (first.project_id, first.kept, first.removed, first.comment) == (1, ("b",), ("a",), "so\nand so")
    assert (second.project_id, second.empty) == ("2", True)


def test_a_zip_says_who_it_was(lines: list[str], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for who, label in (("ann", ["a"]), ("bob", ["b"]), ("all", [])):
            archive.writestr(f"{who}.jsonl", as_exported(lines[0], label, []) + "\n")
    found = read(tmp_path / "export.zip")
    assert [(answer.annotator, answer.kept) for answer, _ in found.answers] == [
        (None, ()),
        ("ann", ("a",)),
        ("bob", ("b",)),
    ]


@pytest.mark.parametrize(
    "row", [{"text": "x"}, {"id": 1, "data": "x", "label": []}, {"text": "x", "label": [[0, 1, "a"]]}]
)
def test_what_is_no_classification(write_rows: Callable[..., Path], row: dict[str, Any]) -> None:
    with pytest.raises(LabelingError, match="label"):
        Doccano().read(write_rows("e.jsonl", json.dumps(row) + "\n"))
