"""docs/speed_growth.md says what the benchmark's results say."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.speed import growth


def test_the_table_stands_there_as_its_command_prints_it(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    growth.table(markdown=True)
    printed = capsys.readouterr().out.strip()
    assert all(f"| {stage} |" in printed for stage in growth.STAGES)
    page = (repository / "docs" / "speed_growth.md").read_text(encoding="utf-8")
    assert f"python -m benchmarks.speed.growth table --markdown\n```\n\n{printed}\n" in page
    assert growth.PLOT.is_file()
    assert f"(images/{growth.PLOT.name})" in page


def test_the_exponent_is_the_slope_between_cells() -> None:
    entries = [
        {"records": records, "stages": {"square": {"seconds": records**2 / 1e6}, "quick": {"seconds": 0.01}}}
        for records in (1000, 10_000)
    ]
    assert growth.exponent(entries, "square") == pytest.approx(2)
    assert growth.exponent(entries, "quick") is None
    assert growth.exponent(entries, "not run") is None
