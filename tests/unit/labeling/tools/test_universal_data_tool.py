"""Universal Data Tool's shapes: UniversalDataTool/udt-format, interfaces/text_classification.md,

and validators/javascript/index.js, whose rules for this interface are written out in `check_as_the_validator`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.errors import LabelingError
from tagnet.labeling.collect import collect
from tagnet.labeling.tasks import TaskBatch
from tagnet.labeling.tools.universal_data_tool import UniversalDataTool


def check_as_the_validator(whole: dict[str, Any]) -> None:
    """TextClassificationInterface, and samples with a document and an optional customId; `pick` lets other keys be."""
    interface = whole["interface"]
    assert interface["type"] == "text_classification"
    assert isinstance(interface.get("description", ""), str)
    assert isinstance(interface.get("multiple", True), bool)
    for label in interface["labels"]:
        assert isinstance(label["id"], str)
        assert isinstance(label.get("displayName", ""), str)
    for sample in whole["samples"]:
        assert isinstance(sample["document"], str)
        assert isinstance(sample.get("customId", ""), str)


@pytest.fixture
def whole(batch: TaskBatch, tmp_path: Path) -> dict[str, Any]:
    (path,) = UniversalDataTool().write(batch, tmp_path / "t.udt.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_what_goes_in(whole: dict[str, Any]) -> None:
    check_as_the_validator(whole)
    assert [label["id"] for label in whole["interface"]["labels"]] == ["a", "b", "[skip]"]
    assert whole["interface"]["multiple"] is True
    assert [sample["annotation"] for sample in whole["samples"]] == [["a", "b"], ["b"], []]


@pytest.mark.parametrize("annotation", [["b"], "b", {"labels": ["b"]}, {"label": "b"}])
def test_annotations(whole: dict[str, Any], write_rows: Callable[..., Path], annotation: Any) -> None:
    whole["samples"][0]["annotation"] = annotation
    del whole["samples"][1]["annotation"]
    whole["samples"][2]["annotation"] = None
    replies = UniversalDataTool().read(write_rows("out.json", whole))
    found = collect(replies, tool="universal-data-tool", file="out.json", file_sha256=None)
    ((answer, _),) = found.answers
    assert (answer.kept, answer.removed, found.num_waiting) == (("b",), ("a",), 2)


@pytest.mark.parametrize(
    "content",
    [
        {"samples": []},
        {"interface": {}, "samples": 3},
        [1],
        {"interface": {}, "samples": [3]},
        {"interface": {}, "samples": [{"annotation": {"regions": []}, "imageUrl": "x"}]},
        {"interface": {}, "samples": [{"annotation": [3], "document": "x"}]},
    ],
)
def test_what_is_no_text_classification(write_rows: Callable[..., Path], content: Any) -> None:
    with pytest.raises(LabelingError, match=r"e\.json"):
        UniversalDataTool().read(write_rows("e.json", content))
