"""What the audit's benchmark has measured, and what was read, as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tagnet.atomic import write_json

RESULTS = Path(__file__).parent / "results"
_MEASURED, _READ = RESULTS / "audit.json", RESULTS / "audit_verdicts.json"
_KEYS = ("part", "corpus", "learner", "ranker", "seed")


def read_results() -> list[dict[str, Any]]:
    """All results so far."""
    return json.loads(_MEASURED.read_text(encoding="utf-8")) if _MEASURED.is_file() else []


def has_result(**place: str | int) -> bool:
    """Whether there is a result with these keys."""
    return any(all(each[key] == value for key, value in place.items()) for each in read_results())


def keep(entry: dict[str, Any]) -> None:
    """Write a result down; one with the same keys is replaced."""
    others = [each for each in read_results() if any(each[key] != entry[key] for key in _KEYS)]
    write_json(_MEASURED, sorted([*others, entry], key=lambda each: [str(each[key]) for key in _KEYS]))


def read_verdicts() -> list[dict[str, Any]]:
    """Cells that were judged by reading: corpus, list, id, tag, asked, verdict, why."""
    return json.loads(_READ.read_text(encoding="utf-8")) if _READ.is_file() else []
