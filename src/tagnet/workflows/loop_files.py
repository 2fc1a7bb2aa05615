"""A labelling loop on disk: what lies where, and steps that are done once.

FOLDER/
  loop.json             the settings that make the loop; whoever goes on with others is told which one differs
  rules.json            what ends the loop: these may change from one call to the next
  start.json            which records validate, test and wait; the tags that are learned
  labelled.json         the records that had tags at the start
  versions/000.json     the records as they came; 001.json those with the first round's answers, and so on
  answers.jsonl         all answers, with their provenance beside them
  rounds/000/           one round
    records.json        what the run learns from and is measured on: labelled records alone
    split.json          which of them train, validate and test
    run/                the run, as `tagnet train` writes it
    trained.json        step 1 is done: how good it is
    query.json          step 2 is done: what is asked next, and why
    sent.json           step 3 is done: the questions are where people answer them
    answered.json       step 4 is done: which answers count
    merged.json         step 5 is done: which version came of them
  curve.json, loop.html where the loop stands, drawn anew after every step that changes it

A step is done when its file is there, and the file appears whole or not at all. What leads up to it may be repeated any
number of times: a process may be killed at any moment.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagnet.atomic import write_json
from tagnet.errors import LabelingError, RunDirectoryError
from tagnet.records.json_files import read_json
from tagnet.workflows.locks import try_lock


@dataclass(frozen=True)
class RoundFiles:
    """The files of one round."""

    folder: Path
    suffix: str
    """Of files of records."""

    @property
    def records(self) -> Path:
        """The labelled records."""
        return self.folder / f"records{self.suffix}"

    @property
    def split(self) -> Path:
        """Their sides."""
        return self.folder / "split.json"

    @property
    def run(self) -> Path:
        """The run's folder."""
        return self.folder / "run"

    def step(self, name: str) -> Path:
        """The file that says that a step is done."""
        return self.folder / f"{name}.json"


@dataclass(frozen=True)
class LoopFiles:
    """The files of a loop."""

    folder: Path

    @property
    def settings(self) -> Path:
        """What makes the loop."""
        return self.folder / "loop.json"

    @property
    def rules(self) -> Path:
        """What ends it."""
        return self.folder / "rules.json"

    @property
    def start(self) -> Path:
        """What it started from."""
        return self.folder / "start.json"

    @property
    def answers(self) -> Path:
        """The log of answers."""
        return self.folder / "answers.jsonl"

    @property
    def curve(self) -> Path:
        """Where it stands, for programs."""
        return self.folder / "curve.json"

    @property
    def page(self) -> Path:
        """Where it stands, for people."""
        return self.folder / "loop.html"

    def version(self, number: int, suffix: str) -> Path:
        """The records after so many rounds."""
        return self.folder / "versions" / f"{number:03d}{suffix}"

    def round(self, number: int, suffix: str) -> RoundFiles:
        """The files of a round."""
        return RoundFiles(self.folder / "rounds" / f"{number:03d}", suffix)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out; one that dies lets go.

        Raises:
            RunDirectoryError: another process is at work there.
        """
        lock = try_lock(self.folder / ".lock")
        if lock is None:
            raise RunDirectoryError(
                f"--dir {self.folder}: another process is at work in this loop; wait for it, or choose another folder."
            )
        with lock:
            yield


def step(path: Path, inputs: Mapping[str, str], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a step came to: as its file says where it is done, else made now.

    Args:
        path: the step's file.
        inputs: what it depends on → a fingerprint of it.
        make: does the step. It may have been begun before, any number of times.

    Raises:
        LabelingError: the step was done from other inputs; the first that differs is named.
    """
    if path.is_file():
        found = read_step(path)
        for name, now in inputs.items():
            if found["inputs"].get(name) != now:
                raise LabelingError(
                    f"{path}: this step was done, and {name} changed since: expected "
                    f"{str(found['inputs'].get(name))[:16]}…, found {now[:16]}…\n"
                    "Put back what it was done from, or start another loop in another --dir."
                )
        return found
    made = {"inputs": dict(inputs), **make()}
    write_json(path, made)
    return made


def read_step(path: Path) -> dict[str, Any]:
    """What a step that is done came to.

    Raises:
        LabelingError: the file is missing, or no step's.
    """
    found = read_json(path, "a step of a labelling loop", LabelingError)
    if not isinstance(found, dict) or not isinstance(found.get("inputs"), dict):
        raise LabelingError(
            f"{path}: expected a step of a labelling loop, found something else\n"
            "Put back the file that was there, or start another loop in another --dir."
        )
    return found


def file_hash(path: Path) -> str:
    """SHA-256, in hex, of a file.

    Raises:
        LabelingError: it is not there.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as fault:
        raise LabelingError(f"{path}: a file of the loop cannot be read ({fault.strerror or fault})") from fault


def digest(value: object) -> str:
    """SHA-256, in hex, of plain values.

    >>> digest(["a"]) == digest(("a",)) != digest(["b"])
    True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
