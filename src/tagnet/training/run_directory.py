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

import shutil
from pathlib import Path

import yaml

from tagnet.atomic import cannot_write, write_text
from tagnet.config import TrainConfig, to_plain
from tagnet.errors import RunDirectoryError

FINISHED = "metrics.json"
_CONTENTS = (
    "config.yaml",
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


def open_run_directory(folder: Path, config: TrainConfig) -> bool:
    """Make a run's directory, or take up that of an unfinished run of the same configuration, which starts over.

    Returns:
        Whether an unfinished run was found there.

    Raises:
        RunDirectoryError: it holds a finished run, a run of another configuration, other files, or cannot be written.
    """
    if (folder / FINISHED).exists():
        raise RunDirectoryError(
            f"run.dir={folder}: a finished run is there, and a finished run is never overwritten.\n"
            "Choose another run.dir, or delete that folder."
        )
    settings = yaml.safe_dump(_without_place(config), sort_keys=False, allow_unicode=True)
    path = folder / "config.yaml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.exists()
        if unfinished and path.read_text(encoding="utf-8") != settings:
            raise RunDirectoryError(
                f"run.dir={folder}: an unfinished run with other settings is there (see its config.yaml).\n"
                "Start it with the same settings, choose another run.dir, or delete that folder."
            )
        strangers = sorted(p.name for p in folder.iterdir() if p.name not in _CONTENTS and not p.name.endswith(".part"))
        if strangers and not unfinished:
            raise RunDirectoryError(
                f"run.dir={folder}: expected a new or empty folder, found {strangers[0]} in it; choose another run.dir."
            )
        for name in _CONTENTS:
            stale = folder / name
            shutil.rmtree(stale) if stale.is_dir() else stale.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    write_text(path, settings)
    return unfinished


def _without_place(config: TrainConfig) -> dict[str, object]:
    plain: dict[str, object] = to_plain(config)
    run = plain["run"]
    assert isinstance(run, dict)
    # The folder may be moved; where it was first is nobody's setting.
    run["dir"] = None
    return plain
