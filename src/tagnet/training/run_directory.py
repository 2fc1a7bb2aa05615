"""A run's directory: taken once, never overwritten.

config.yaml          the resolved configuration
environment.json     versions, commit, hardware, seed
data.json            fingerprints, what was dropped and why, skipped rows, warnings
split.json           the ids of each side
metrics.jsonl        every optimizer step and every validation
tensorboard/         the same for TensorBoard; with another logger mlflow/, wandb/ or trackio/
tracking.json        under which id such another logger knows the run
checkpoints/         for continuing, and the best weights
predictions.parquet  logits of validation and test
per_tag.csv          a row a tag, on test
bundle/              what is served
report.html          all of it to look at
run.log              what was said
metrics.json         the final metrics, written last: a run that has it is finished
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import yaml

from tagnet.atomic import cannot_write, write_text
from tagnet.config import TrainConfig
from tagnet.data.prepare import Prepared
from tagnet.errors import RunDirectoryError
from tagnet.records.taxonomy import to_rows
from tagnet.strict_build import to_plain

FINISHED = "metrics.json"
CONFIG = "config.yaml"
_LOCK = ".lock"
_CONTENTS = (
    CONFIG,
    "environment.json",
    "data.json",
    "split.json",
    "metrics.jsonl",
    "tracking.json",
    "tensorboard",
    "mlflow",
    "wandb",
    "trackio",
    "checkpoints",
    "predictions.parquet",
    "per_tag.csv",
    "bundle",
    "report.html",
    "run.log",
    _LOCK,
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


@contextmanager
def open_run_directory(folder: Path, config: TrainConfig, fingerprints: Mapping[str, str]) -> Iterator[None]:
    """Make a run's directory, or take up that of an unfinished run of the same settings and data, and hold it.

    Raises:
        RunDirectoryError: the data have changed since, another process trains there, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / _LOCK).open("w")
    except OSError as error:
        raise cannot_write(folder, error) from error
    with lock:
        _hold(lock, folder)
        data = folder / "data.json"
        earlier = json.loads(data.read_text(encoding="utf-8"))["fingerprints"] if data.exists() else fingerprints
        changed = [name for name in fingerprints if earlier.get(name) != fingerprints[name]]
        if changed:
            raise RunDirectoryError(
                f"run.dir={folder}: an unfinished run is there, and its {changed[0]} changed since it was started.\n"
                "Choose another run.dir, or delete that folder."
            )
        write_settings(folder, config)
        yield
        (folder / _LOCK).unlink(missing_ok=True)


def fingerprints(prepared: Prepared) -> dict[str, str]:
    """SHA-256 of all that a run must find again when it goes on."""
    corpus = prepared.corpus
    sides = {name: [str(corpus.records[i].id) for i in index] for name, index in prepared.split.sides().items()}
    targets = {} if prepared.soft is None else {"targets": prepared.soft.fingerprint}
    return {
        "records": prepared.loaded.fingerprint,
        "taxonomy": _digest(None if corpus.taxonomy is None else to_rows(corpus.taxonomy)),
        "label space": _digest(list(corpus.label_space.tags)),
        "split": _digest(sides),
        **targets,
    }


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=True).encode()).hexdigest()


def _hold(lock: IO[str], folder: Path) -> None:
    """Keep other processes out for as long as the file is open; a process that dies lets go."""
    if sys.platform == "win32":
        return  # no such locks there
    import fcntl

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise RunDirectoryError(
            f"run.dir={folder}: another process is training there; wait for it, or choose another run.dir."
        ) from error


def write_settings(folder: Path, config: TrainConfig) -> None:
    """Write config.yaml, whole."""
    write_text(folder / CONFIG, _settings(config))


def has_settings(folder: Path, config: TrainConfig) -> bool:
    """Whether the run in a directory was started with these settings."""
    return (folder / CONFIG).read_text(encoding="utf-8") == _settings(config)


def _settings(config: TrainConfig) -> str:
    plain: dict[str, Any] = to_plain(config)
    # The folder may be moved; where it was first is nobody's setting.
    plain["run"]["dir"] = None
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def _first_difference(earlier: str, config: TrainConfig) -> str:
    """The first key whose value differs, for people."""
    before, now = flatten(yaml.safe_load(earlier)), flatten(yaml.safe_load(_settings(config)))
    for key in [*now, *before]:
        if before.get(key) != now.get(key):
            return f"{key} was {before.get(key)!r}, is {now.get(key)!r}"
    return "its config.yaml was edited"


def flatten(plain: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted keys.

    >>> flatten({"optim": {"lr": 0.1}, "encoder": "tiny"})
    {'optim.lr': 0.1, 'encoder': 'tiny'}
    """
    if not isinstance(plain, dict):
        return {prefix: plain}
    flat: dict[str, Any] = {}
    for key, value in plain.items():
        flat.update(flatten(value, f"{prefix}.{key}" if prefix else str(key)))
    return flat
