"""docs/active_learning.md says what the benchmark's results say, and names the strategies that there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.labeling.simulation import table
from tagnet.labeling.query.strategies import DEFAULT_STRATEGY, RANDOM, SCORED, SPREAD


def test_every_table_stands_there_as_its_command_prints_it(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table(markdown=True)
    printed = capsys.readouterr().out.strip()
    assert printed.count("\n") > 10
    page = (repository / "docs" / "active_learning.md").read_text(encoding="utf-8")
    assert f"python -m benchmarks.labeling.simulation table --markdown\n```\n\n{printed}\n" in page


def test_every_strategy_is_described(repository: Path) -> None:
    page = (repository / "docs" / "active_learning.md").read_text(encoding="utf-8")
    for name in (RANDOM, *SCORED, *SPREAD, DEFAULT_STRATEGY):
        assert f"`{name}`" in page, name
