"""Fixtures of the tests of records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest


@pytest.fixture
def save_dataset(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows as a saved dataset under the temporary folder."""

    def save(name: str, rows: list[dict[str, Any]], features: datasets.Features | None = None) -> Path:
        bars = not datasets.are_progress_bars_disabled()
        datasets.disable_progress_bars()
        datasets.Dataset.from_list(rows, features=features).save_to_disk(str(tmp_path / name))
        if bars:
            datasets.enable_progress_bars()
        return tmp_path / name

    return save
