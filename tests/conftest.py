"""Fixtures that every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the real data (MadeWithML, GoEmotions), which is not part of the project."""
    folder = Path(os.environ.get("TAGNET_SHARED", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "projects.json").is_file():
        pytest.skip(f"the MadeWithML data is not at {folder}; set TAGNET_SHARED to its folder")
    return folder
