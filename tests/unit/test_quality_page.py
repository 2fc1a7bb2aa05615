"""docs/quality.md says what the benchmarks' results say."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

BENCHMARKS = ("published", "corpora", "study", "evidence", "combinations", "rules")


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_table_stands_there_as_its_command_prints_it(
    name: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import_module(f"benchmarks.quality.{name}").table(markdown=True)
    printed = capsys.readouterr().out.strip()
    assert printed.count("\n") > 4
    page = (repository / "docs" / "quality.md").read_text(encoding="utf-8")
    assert f"python -m benchmarks.quality.{name} table --markdown\n```\n\n{printed}\n" in page
