"""Small prepared records, for the modules that look at them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tagnet.cli.compose import compose_plain
from tagnet.config import TrainConfig, build
from tagnet.data.prepare import Prepared, prepare

ROWS: list[dict[str, Any]] = [
    {"id": n, "created_on": f"20{10 + n % 9}-03-01", "title": title, "description": description, "tags": list(tags)}
    for n, (title, description, tags) in enumerate(
        [("Vision kit", f"pixels number {n} in a frame", ("vision",)) for n in range(12)]
        + [("Graph kit", f"nodes number {n} and edges", ("graphs", "gnn-alias")) for n in range(12)]
        + [("A graph of maps", "roads <b>drawn</b> by hand", ("vision", "old")), ("Odd one", "", ("nobody",))],
        start=1,
    )
]
TAXONOMY = [
    {"tag": "vision", "aliases": ["cv"], "parents": []},
    {"tag": "graphs", "aliases": ["graph"], "parents": []},
    {"tag": "gnn", "aliases": ["gnn-alias"], "parents": ["graphs"]},
    {"tag": "old", "aliases": [], "parents": []},
    {"tag": "never", "aliases": [], "parents": []},
]
Made = tuple[Prepared, TrainConfig]
Make = Callable[..., Made]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Prepare `ROWS`, or others, with settings in the grammar of the command line."""

    def prepared(*overrides: str, rows: list[dict[str, Any]] | None = None, taxonomy: bool = True) -> Made:
        records, tags = tmp_path / "records.json", tmp_path / "tags.json"
        records.write_text(json.dumps(ROWS if rows is None else rows), encoding="utf-8")
        tags.write_text(json.dumps(TAXONOMY), encoding="utf-8")
        words = [f"data.records={records}", f"data.taxonomy={tags if taxonomy else 'null'}", *overrides]
        if not any(word.startswith("labels.min_count") for word in words):
            words.append("labels.min_count=2")
        config = build(TrainConfig, compose_plain(words))
        return prepare(config), config

    return prepared


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """A copy of the rows, to be changed."""
    return json.loads(json.dumps(ROWS))  # type: ignore[no-any-return]
