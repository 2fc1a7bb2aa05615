"""MLflow: a run on a tracking server, or in RUN/mlflow/mlflow.db."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import re
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tagnet.config import MLflowConfig
from tagnet.training.tracking.run_id import read_run_id, write_run_id
from tagnet.training.tracking.tracker import Fact, Line, Results, Side, Status, cannot_open

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

FOLDER = "mlflow"
_PARAMS_AT_ONCE = 100
_LONGEST_VALUE = 6000
_DATABASE_TRIES = 3
_STATUS = {"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}
_ENVIRONMENT = {
    # Nobody has asked for it, and a cluster's nodes may not reach the outside.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # What is printed is tagnet's.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow would try a server that is away for minutes; we keep what it did not take, and come again.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


def check_experiment(config: MLflowConfig) -> None:
    """See that MLflow takes the experiment's name.

    Raises:
        ConfigError: it does not.
    """
    _say_nothing()
    from mlflow.utils.validation import _validate_experiment_name

    try:
        _validate_experiment_name(config.experiment)  # type: ignore[no-untyped-call]
    except Exception as error:
        raise cannot_open("mlflow", error, f"logger.experiment={config.experiment!r}") from error


def check_server(config: MLflowConfig) -> None:
    """Ask the tracking server for an answer.

    Raises:
        ConfigError: none came.
    """
    if config.uri is None:
        return
    try:
        _client(config.uri).search_experiments(max_results=1)
    except Exception as error:
        raise cannot_open("mlflow", error, f"logger.uri={config.uri}") from error


class MLflowStore:
    """Settings are params, results are metrics, the table of tags is an artifact.

    MLflow keeps two values of one step where their times differ, so that a run that goes on asks for the last steps
    that the server has, and sends only later ones. What the server has stays: on a GPU, where a repeated step may
    differ in its last digits, it is the first of the two. A param cannot change: those of the first start stay.
    """

    tool = "mlflow"

    def __init__(self, config: MLflowConfig, folder: Path, name: str) -> None:
        self._config = config
        self._run_folder = folder
        self._folder = (folder / FOLDER).resolve()
        self._name = name
        self._run_id = ""
        self._client: MlflowClient

    def open(self, facts: Mapping[str, Fact]) -> None:
        """Make the run, or take up that of tracking.json, and send the params that it does not have yet."""
        from mlflow.entities import Param

        self._client = _client(self._config.uri or _sqlite(_whole_database(self._folder)))
        known = read_run_id(self._run_folder)
        if known is None:
            run = self._client.create_run(self._experiment(), run_name=self._name)
            write_run_id(self._run_folder, run.info.run_id)
        else:
            self._client.update_run(known, status="RUNNING")
            run = self._client.get_run(known)
        self._run_id = run.info.run_id
        texts = {_key(k): v if isinstance(v, str) else json.dumps(v) for k, v in facts.items()}
        params = [Param(k, v[:_LONGEST_VALUE]) for k, v in texts.items() if k not in run.data.params]
        for start in range(0, len(params), _PARAMS_AT_ONCE):
            self._client.log_batch(self._run_id, params=params[start : start + _PARAMS_AT_ONCE])

    def resume(self, lines: Sequence[Line]) -> Mapping[Side, int]:
        """The last steps that the server has; every line holds one of these two."""
        keys: dict[Side, str] = {"train": "lr", "val": "val.loss"}
        history = {side: self._client.get_metric_history(self._run_id, key) for side, key in keys.items()}
        return {side: max(metric.step for metric in found) for side, found in history.items() if found}

    def send(self, lines: Sequence[Line]) -> None:
        """Send the lines in one request: all of them are kept, or none."""
        self._client.log_batch(self._run_id, metrics=[metric for line in lines for metric in _metrics(line)])

    def finish(self, results: Results) -> None:
        """Send the results that the server does not have."""
        known = self._client.get_run(self._run_id)
        new = {name: value for name, value in results.metrics.items() if _key(name) not in known.data.metrics}
        if new:
            self.send([Line("val", results.step, new, time.time())])
        self._client.set_tag(self._run_id, "report", str(results.report))
        # MLflow has noted where artifacts go by an absolute path; where the run's folder has moved, that is gone.
        if self._config.uri is not None or known.info.artifact_uri.startswith(self._folder.as_uri()):
            self._client.log_text(self._run_id, _table(results.tags), "tags.csv")

    def close(self, status: Status) -> None:
        """Say how the run ended."""
        self._client.set_terminated(self._run_id, _STATUS[status])

    def _experiment(self) -> str:
        """The id of the experiment, which is made where there is none of that name."""
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(self._config.experiment)
        if found is None:
            place = None if self._config.uri is not None else (self._folder / "artifacts").as_uri()
            try:
                return str(self._client.create_experiment(self._config.experiment, artifact_location=place))
            except MlflowException:
                # Another run of the same sweep was faster.
                found = self._client.get_experiment_by_name(self._config.experiment)
                if found is None:
                    raise
        return str(found.experiment_id)


def _say_nothing() -> None:
    """To be called before MLflow is imported."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # MLflow's own tables use a SQLAlchemy option that is on its way out; nothing that a user could mend.
    warnings.filterwarnings("ignore", message=".*noload.*", category=DeprecationWarning)


def _client(uri: str) -> MlflowClient:
    _say_nothing()
    from mlflow import MlflowClient

    # It says in a dozen lines that it makes the tables of a new file.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if not uri.startswith("http"):
        from mlflow.store.db import utils

        # It would wait for a minute and a half for a database that is not there.
        utils.MAX_RETRY_COUNT = _DATABASE_TRIES
    return MlflowClient(uri)


def _whole_database(folder: Path) -> Path:
    """MLflow's SQLite file, which it takes seconds to make: a run that is killed meanwhile leaves none."""
    path, part = folder / "mlflow.db", folder / "mlflow.db.part"
    if not path.exists():
        folder.mkdir(exist_ok=True)
        part.unlink(missing_ok=True)
        _client(_sqlite(part))
        part.replace(path)
    return path


def _sqlite(path: Path) -> str:
    """The path as an address; versions of SQLAlchemy differ in what they quote."""
    from sqlalchemy import URL

    return URL.create("sqlite", database=path.as_posix()).render_as_string()


def _metrics(line: Line) -> list[Metric]:
    from mlflow.entities import Metric

    milliseconds = round(line.time * 1000)
    return [Metric(_key(name), value, milliseconds, line.step) for name, value in line.values.items()]


def _key(name: str) -> str:
    """A name that MLflow takes; a field of the user's own, such as `data.feature_tokens.größe (cm)`, may hold others.

    >>> _key("data.columns.size (cm)")
    'data.columns.size _cm_'
    """
    return re.sub(r"[^\w./ -]", "_", name)


def _table(tags: Sequence[tuple[str, float, int]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("tag", "f1", "records"), *tags])
    return text.getvalue()
