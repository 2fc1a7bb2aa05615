"""docs/speed.md says what its benchmarks have found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.speed import equal_quality, growth_tags, prediction, startup, time_to_quality, training

TABLES = {
    "training": training.table,
    "equal_quality": equal_quality.table,
    "time_to_quality": time_to_quality.table,
    "prediction": prediction.table,
    "startup": startup.table,
    "growth_tags": growth_tags.table,
}


@pytest.mark.parametrize("name", TABLES)
def test_every_table_stands_there_as_its_command_prints_it(
    name: str, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table: Callable[..., None] = TABLES[name]
    table(markdown=True)
    printed = capsys.readouterr().out.strip()
    text = (repository / "docs" / "speed.md").read_text(encoding="utf-8")
    assert "|" in printed
    assert printed in text
    assert f"python -m benchmarks.speed.{name} table --markdown\n```\n" in text


def test_every_plot_is_there(repository: Path) -> None:
    for name in ("speed_training", "speed_time_to_quality", "speed_prediction", "speed_growth_tags"):
        assert (repository / "docs" / "images" / f"{name}.svg").is_file()
        assert f"(images/{name}.svg)" in (repository / "docs" / "speed.md").read_text(encoding="utf-8")
