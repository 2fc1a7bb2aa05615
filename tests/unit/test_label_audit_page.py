"""docs/label_audit.md says what the benchmark's results say."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.labeling.audit import table


def test_its_tables_stand_there_as_their_command_prints_them(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table(markdown=True)
    printed = capsys.readouterr().out.strip()
    assert printed.count("\n") > 70
    assert printed in (repository / "docs" / "label_audit.md").read_text(encoding="utf-8")
