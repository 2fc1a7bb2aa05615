"""trackio: a local SQLite file in the folder that TRACKIO_DIR names, or in RUN/trackio."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tagnet.config import TrackioConfig
from tagnet.training.tracking.run_id import own_run_id
from tagnet.training.tracking.tracker import Fact, Line, Results, Side, Status, cannot_open

FOLDER = "trackio"


def check_project(config: TrackioConfig) -> None:
    """See that trackio takes the project's name.

    Raises:
        ConfigError: it does not.
    """
    from trackio.sqlite_storage import SQLiteStorage

    try:
        SQLiteStorage.validate_project_name(config.project)
    except ValueError as error:
        raise cannot_open("trackio", error, f"logger.project={config.project!r}") from error


class TrackioStore:
    """Rows go into trackio's storage, as its own importers put them there.

    `trackio.init` would print, ask the Hugging Face hub who is logged in, and write from a thread that drops what
    fails. Every row has an id, of which the storage keeps the first: a run that goes on doubles nothing, on whatever
    step it starts. `TRACKIO_DIR=RUN/trackio trackio show` shows one run; where TRACKIO_DIR is set for training too,
    the runs of a project stand side by side.
    """

    tool = "trackio"

    def __init__(self, config: TrackioConfig, folder: Path, name: str) -> None:
        self._project = config.project
        self._folder = folder
        self._name = name
        self._run_id = ""
        self._facts: dict[str, Fact] = {}

    def open(self, facts: Mapping[str, Fact]) -> None:
        """Make the project's file and the run's configuration."""
        self._run_id = own_run_id(self._folder)
        self._facts = dict(facts)
        with self._storage() as storage:
            storage.init_db(self._project)

    def resume(self, lines: Sequence[Line]) -> Mapping[Side, int]:
        """Nothing is known: the storage itself leaves out what it has."""
        return {}

    def send(self, lines: Sequence[Line]) -> None:
        """Add the rows, in one transaction."""
        self._write(
            [dict(line.values) for line in lines],
            [line.step for line in lines],
            [f"{self._run_id}-{line.side}-{line.step}" for line in lines],
            [datetime.fromtimestamp(line.time, UTC).isoformat() for line in lines],
        )

    def finish(self, results: Results) -> None:
        """Add a row with the results and the table of tags."""
        import trackio

        rows = [{"tag": tag, "f1": f1, "records": support} for tag, f1, support in results.tags]
        table = {"_type": trackio.Table.TYPE, "_value": rows}
        self._facts["report"] = str(results.report)
        now = datetime.now(UTC).isoformat()
        self._write([{**results.metrics, "tags": table}], [results.step], [f"{self._run_id}-final"], [now])

    def close(self, status: Status) -> None:
        """Nothing: every transaction is on the disk."""

    def _write(self, rows: list[dict[str, Any]], steps: list[int], ids: list[str], times: list[str]) -> None:
        with self._storage() as storage:
            storage.bulk_log(
                project=self._project,
                run=self._name,
                run_id=self._run_id,
                metrics_list=rows,
                steps=steps,
                timestamps=times,
                log_ids=ids,
                config=self._facts,
            )

    @contextmanager
    def _storage(self) -> Iterator[Any]:
        """The storage of trackio, working in this run's folder."""
        from trackio import sqlite_storage as module

        storage: Any = module
        # The folder is a constant that trackio takes from TRACKIO_DIR when it is imported, and is another one for every
        # run of a process.
        before = storage.TRACKIO_DIR
        storage.TRACKIO_DIR = Path(os.environ.get("TRACKIO_DIR") or self._folder / FOLDER)
        try:
            yield storage.SQLiteStorage
        finally:
            storage.TRACKIO_DIR = before
