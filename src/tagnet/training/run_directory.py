"""A run's directory: taken once, never overwritten.

config.yaml          the resolved configuration
environment.json     versions, commit, hardware, seed
data.json            fingerprints, what was dropped and why, skipped rows, warnings
split.json           the ids of each side
metrics.jsonl        every optimizer step and every validation
checkpoints/         for continuing, and the best weights
predictions.parquet  logits of validation and test
per_tag.csv          a row a tag, on test
bundle/              what is served
report.html          all of it to look at
run.log              what was said
metrics.json         the final metrics, written last: a run that has it is finished
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tagnet.atomic import cannot_write, write_text
from tagnet.config import TrainConfig
from tagnet.errors import RunDirectoryError
from tagnet.strict_build import to_plain

FINISHED = "metrics.json"
CONFIG = "config.yaml"
_CONTENTS = (
    CONFIG,
    "environment.json",
    "data.json",
    "split.json",
    "metrics.jsonl",
    "checkpoints",
    "predictions.parquet",
    "per_tag.csv",
    "bundle",
    "report.html",
    "run.log",
)


def check_run_directory(folder: Path, config: TrainConfig) -> None:
    """Refuse a directory that this run must not use, before anything is read or written.

    Raises:
        RunDirectoryError: it holds a finished run, a run of other settings, or files of another kind.
    """
    if (folder / FINISHED).exists():
        raise RunDirectoryError(
            f"run.dir={folder}: a finished run is there, and a finished run is never overwritten.\n"
            "Choose another run.dir, or delete that folder."
        )
    try:
        names = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
        earlier = (folder / CONFIG).read_text(encoding="utf-8") if CONFIG in names else None
    except OSError as error:
        raise cannot_write(folder, error) from error
    if earlier is not None and earlier != _settings(config):
        raise RunDirectoryError(
            f"run.dir={folder}: an unfinished run with other settings is there: {_first_difference(earlier, config)}\n"
            "Start it with the same settings, choose another run.dir, or delete that folder."
        )
    strangers = [name for name in names if name not in _CONTENTS and not name.endswith(".part")]
    if strangers and earlier is None:
        raise RunDirectoryError(
            f"run.dir={folder}: expected a new or empty folder, found {strangers[0]} in it; choose another run.dir."
        )


def open_run_directory(folder: Path, config: TrainConfig, fingerprint: str) -> None:
    """Make a run's directory, or take up that of an unfinished run of the same settings and records.

    Raises:
        RunDirectoryError: the records have changed since, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    data = folder / "data.json"
    if data.exists() and json.loads(data.read_text(encoding="utf-8"))["fingerprint"] != fingerprint:
        raise RunDirectoryError(
            f"run.dir={folder}: an unfinished run is there, and its records have changed since it was started.\n"
            "Choose another run.dir, or delete that folder."
        )
    write_text(folder / CONFIG, _settings(config))


def _settings(config: TrainConfig) -> str:
    plain: dict[str, Any] = to_plain(config)
    # The folder may be moved; where it was first is nobody's setting.
    plain["run"]["dir"] = None
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def _first_difference(earlier: str, config: TrainConfig) -> str:
    """The first key whose value differs, for people."""
    before, now = _flat(yaml.safe_load(earlier)), _flat(yaml.safe_load(_settings(config)))
    for key in [*now, *before]:
        if before.get(key) != now.get(key):
            return f"{key} was {before.get(key)!r}, is {now.get(key)!r}"
    return "its config.yaml was edited"


def _flat(plain: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(plain, dict):
        return {prefix: plain}
    flat: dict[str, Any] = {}
    for key, value in plain.items():
        flat.update(_flat(value, f"{prefix}.{key}" if prefix else str(key)))
    return flat
