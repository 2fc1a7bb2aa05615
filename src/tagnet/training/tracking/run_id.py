"""tracking.json: under which id the tool knows the run of this folder, so that a run that goes on is the same one."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from tagnet.atomic import write_json

FILE = "tracking.json"


def read_run_id(folder: Path) -> str | None:
    """The id, or None where the folder's run has none yet."""
    path = folder / FILE
    return str(json.loads(path.read_text(encoding="utf-8"))["id"]) if path.is_file() else None


def write_run_id(folder: Path, run_id: str) -> None:
    """Remember the id."""
    write_json(folder / FILE, {"id": run_id})


def own_run_id(folder: Path) -> str:
    """The id of this folder's run, drawn the first time; two runs of the same settings are two runs."""
    known = read_run_id(folder)
    if known is not None:
        return known
    write_run_id(folder, drawn := secrets.token_hex(4))
    return drawn
