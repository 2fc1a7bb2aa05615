"""Weights & Biases: a run in RUN/wandb, for `wandb sync` to send, or one that is sent as it goes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tagnet.config import WandbConfig
from tagnet.errors import ConfigError
from tagnet.training.tracking.run_id import own_run_id
from tagnet.training.tracking.tracker import Fact, Line, Results, Side, Status, cannot_open

FOLDER = "wandb"
_SECONDS_TO_START = 30
_SECONDS_TO_END = 120


def check_project(config: WandbConfig) -> None:
    """See that wandb takes the project's name.

    Raises:
        ConfigError: it does not.
    """
    wandb = _import()
    try:
        wandb.Settings(project=config.project)
    except Exception as error:
        raise cannot_open("wandb", error, f"logger.project={config.project!r}") from error


def check_login(config: WandbConfig) -> None:
    """See that the server knows the key, without ever asking for one.

    Raises:
        ConfigError: there is no key, it is a wrong one, or the server does not answer.
    """
    if config.offline:
        return
    wandb = _import()
    if wandb.run is not None:  # somebody has logged in, and wandb would not look again
        return
    try:
        found = wandb.login(prompt=False, verify=True)
    except Exception as error:
        raise cannot_open("wandb", error, "logger.offline=false") from error
    if not found:
        raise ConfigError(
            "logger.offline=false: expected an API key of Weights & Biases, found none.\n"
            "Run `wandb login`, set WANDB_API_KEY, or keep the run on disk with logger.offline=true."
        )


class WandbStore:
    """The configuration holds the settings, the history a row a step, the summary the results.

    Offline, a run that goes on is written anew from metrics.jsonl, so that `wandb sync` sends one run with each step
    once; wandb itself cannot go on with an offline run. Online, wandb takes the run up by its id, and steps that the
    server has are not sent again; what was on its way when the run was killed is lost there, as wandb takes no step
    that is earlier than the last.
    """

    tool = "wandb"

    def __init__(self, config: WandbConfig, folder: Path, name: str) -> None:
        self._config = config
        self._folder = folder
        self._name = name
        self._run: Any

    def open(self, facts: Mapping[str, Fact]) -> None:
        """Start the run."""
        wandb = _import()
        offline = self._config.offline
        if offline:
            shutil.rmtree(self._folder / FOLDER, ignore_errors=True)
        self._run = wandb.init(
            project=self._config.project,
            name=self._name,
            id=own_run_id(self._folder),
            dir=str(self._folder),
            config=dict(facts),
            resume=None if offline else "allow",
            # A run that the user has open in a notebook stays theirs.
            reinit="create_new",
            settings=_settings(wandb, offline),
        )
        if self._run.resumed:
            self._run.config.update(dict(facts), allow_val_change=True)

    def resume(self, lines: Sequence[Line]) -> Mapping[Side, int]:
        """The last step that the server has; offline there is none."""
        last = self._run.starting_step - 1
        return {"train": last, "val": last}

    def send(self, lines: Sequence[Line]) -> None:
        """Add to the row of each step."""
        for line in lines:
            self._run.log(dict(line.values), step=line.step)

    def finish(self, results: Results) -> None:
        """Write the summary and the table of tags."""
        wandb = _import()
        self._run.summary.update({**results.metrics, "final.step": results.step, "report": str(results.report)})
        table: Any = wandb.Table(columns=["tag", "f1", "records"], data=[list(row) for row in results.tags])
        with _staging(self._folder / FOLDER):
            self._run.log({"tags": table})

    def close(self, status: Status) -> None:
        """Send what is left, or give up after two minutes; it stays on disk for `wandb sync`."""
        self._run.finish(exit_code=0 if status == "finished" else 1)


def _import() -> Any:
    # Reports of wandb's own errors, to its makers: nobody has asked for them.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    wandb.setup(settings=wandb.Settings(silent=True))
    return wandb


@contextmanager
def _staging(folder: Path) -> Iterator[None]:
    """Let wandb lay tables down here: the home folder is not the run's, and in a container there may be none."""
    name = "WANDB_DATA_DIR"
    if name in os.environ:
        yield
        return
    os.environ[name] = str(folder.resolve())
    try:
        yield
    finally:
        del os.environ[name]


def _settings(wandb: Any, offline: bool) -> Any:
    """Nothing but what we send: no code, no console, no machine; and no word on the terminal."""
    return wandb.Settings(
        mode="offline" if offline else "online",
        silent=True,
        console="off",
        disable_code=True,
        disable_git=True,
        save_code=False,
        symlink=False,
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
        init_timeout=_SECONDS_TO_START,
        finish_timeout=_SECONDS_TO_END,
    )
