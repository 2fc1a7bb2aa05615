"""What a sweep leaves on disk: sweep.json says what was asked, trials/NNNN.json what came of each trial.

SWEEP/
  sweep.json            what is searched, by which metric
  study.db  study.id    Optuna's own study, where Optuna proposes the trials, and what binds it to the folder
  trials/0007.json      settings, state, value and reason of a trial
  trials/0007/          its run directory
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from tagnet.atomic import write_json
from tagnet.errors import ConfigError, SweepError
from tagnet.strict_build import build, to_plain

T = TypeVar("T")

SWEEP_FILE = "sweep.json"
TRIALS_FOLDER = "trials"
STUDY_ID_FILE = "study.id"
ALWAYS = ("run.test=false", "evaluation.baselines=[]")
"""What a sweep's overrides begin with: test records are not looked at while settings are chosen."""


@dataclass(frozen=True)
class Sweep:
    """What a sweep searches."""

    proposer: Literal["grid", "optuna"]
    """Who chooses the trials: all combinations of the given values, or Optuna."""
    objective: str
    """The validation metric, such as `val.map_micro`."""
    tie_break: str
    """The metric that decides between trials of like objective: the tag-averaged one."""
    direction: Literal["maximize", "minimize"]
    """Of the objective."""
    overrides: tuple[str, ...]
    """The settings that all trials share, as given on the command line."""
    space: Mapping[str, str]
    """What is searched: a key → its values, in words, such as `choice(bce,focal)`."""


@dataclass(frozen=True)
class Trial:
    """One training of a sweep."""

    number: int
    """From 0, in the order in which they were proposed."""
    overrides: tuple[str, ...]
    """Its own settings in Hydra's grammar."""
    params: Mapping[str, Any]
    """The same as values: a searched key → its value; keys that do not apply are left out."""
    state: Literal["running", "complete", "pruned", "failed"]
    value: float | None
    """The objective: of a pruned trial the last one seen; None where there is none."""
    tie_break: float | None
    """The tag-averaged metric beside it."""
    reason: str | None
    """Why it failed or was pruned."""
    history: tuple[tuple[int, float], ...]
    """(epoch, objective as validation saw it after that epoch)."""
    seconds: float
    """Spent on it, over all its starts."""


def write_sweep(folder: Path, sweep: Sweep) -> None:
    """Write sweep.json, whole."""
    write_json(folder / SWEEP_FILE, to_plain(sweep))


def write_trial(folder: Path, trial: Trial) -> None:
    """Write the file of a trial, whole."""
    (folder / TRIALS_FOLDER).mkdir(parents=True, exist_ok=True)
    write_json(trial_file(folder, trial.number), to_plain(trial))


def trial_file(folder: Path, number: int) -> Path:
    """Where a trial's outcome is written."""
    return folder / TRIALS_FOLDER / f"{number:04d}.json"


def run_folder(folder: Path, number: int) -> Path:
    """A trial's run directory."""
    return folder / TRIALS_FOLDER / f"{number:04d}"


def read_sweep(folder: Path) -> Sweep:
    """Read sweep.json.

    Raises:
        SweepError: the folder holds no sweep, or the file is damaged.
    """
    if not (folder / SWEEP_FILE).is_file():
        raise SweepError(f"{folder}: expected the folder of a sweep, found no {SWEEP_FILE} in it")
    return _read(folder / SWEEP_FILE, Sweep)


def read_trials(folder: Path) -> list[Trial]:
    """The trials of a sweep in the order of their numbers.

    Raises:
        SweepError: a file is damaged.
    """
    return [_read(path, Trial) for path in sorted((folder / TRIALS_FOLDER).glob("[0-9]*.json"))]


def read_trial(folder: Path, number: int) -> Trial | None:
    """One trial, or None where nothing was written of it yet."""
    path = trial_file(folder, number)
    return _read(path, Trial) if path.is_file() else None


def check_same_sweep(earlier: Mapping[str, Any] | None, now: Mapping[str, Any], where: str) -> None:
    """Refuse a study or a folder of another sweep.

    Raises:
        SweepError: it names the first difference.
    """
    if earlier is None:
        raise SweepError(f"{where}: expected a study of this sweep, found one that tagnet did not make")
    for key, value in now.items():
        before = earlier.get(key)
        if before == json.loads(json.dumps(value)):
            continue
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            name = next(n for n in [*value, *before] if before.get(n) != value.get(n))
            found, expected = before.get(name, "nothing"), value.get(name, "nothing")
            what = f"{name} was {found}, is {expected}"
        else:
            what = f"{key} was {before}, is {value}"
        raise SweepError(
            f"{where}: another sweep is there: {what}.\n"
            "Start it with the same settings to go on with it, or choose another run.dir (or sweeper.study)."
        )


def _read(path: Path, kind: type[T]) -> T:
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        return build(kind, found)
    except (OSError, ValueError, ConfigError) as error:
        raise SweepError(f"{path}: expected a file of a sweep, found something else ({error})") from error
