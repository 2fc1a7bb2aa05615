"""The docs of weak labels, slices and drift say what their benchmarks have found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.labeling import drift, slices, weak


@pytest.mark.parametrize(
    ("name", "page", "table"),
    [
        ("slices", "slices_and_drift.md", slices.table),
        ("drift", "slices_and_drift.md", drift.table),
        ("weak", "weak_labels.md", weak.table),
    ],
)
def test_every_table_stands_there_as_its_command_prints_it(
    name: str, page: str, table: Callable[..., None], repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table(markdown=True)
    printed = capsys.readouterr().out.strip()
    text = (repository / "docs" / page).read_text(encoding="utf-8")
    assert "|" in printed
    assert printed in text
    assert f"python -m benchmarks.labeling.{name} table --markdown\n```\n" in text
