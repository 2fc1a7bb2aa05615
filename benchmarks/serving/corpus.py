"""The texts that are asked about: those of the embedded corpus."""

from __future__ import annotations

import json
from importlib.resources import files


def corpus_records(features: tuple[str, ...], characters: int | None = None) -> list[dict[str, str]]:
    """Records with the fields of a model, "" where the corpus lacks one; `characters`: so many of each field."""
    rows = json.loads((files("tagnet.corpus") / "projects.json").read_text(encoding="utf-8"))
    return [{name: (row.get(name) or "")[:characters] for name in features} for row in rows]
