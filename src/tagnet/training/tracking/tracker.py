"""What holds for every tracker: each line of metrics.jsonl once, and no failure of a tracker ends a run.

A tool is a `Store`; `Tracker` is the Lightning logger around it. Lightning's own loggers are not used: none of them
knows after a SIGKILL which steps its tool already has, and one whose server is away raises out of the training loop.
"""

from __future__ import annotations

import itertools
import logging
import math
import textwrap
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from pytorch_lightning.loggers import Logger

from tagnet.errors import ConfigError, TagnetError

logger = logging.getLogger("tagnet")

Side = Literal["train", "val"]
Status = Literal["finished", "failed", "killed"]
Fact = str | int | float | bool | None | Sequence[Any]

_SECONDS_BETWEEN_TRIES = 60.0
_VALUES_AT_ONCE = 900
_LONGEST_REASON = 200


@dataclass(frozen=True)
class Line:
    """A line of metrics.jsonl: an optimizer step, or a validation."""

    side: Side
    step: int
    """Optimizer steps."""
    values: Mapping[str, float]
    """The finite ones, under their names in metrics.jsonl."""
    time: float
    """When it was written (unit: seconds since 1970)."""


@dataclass(frozen=True)
class Results:
    """What a finished run has found."""

    metrics: Mapping[str, float]
    """`final.val.map`, `final.test.map` and so on: metrics.json's, under names that no curve has."""
    step: int
    """The optimizer step of the weights that were measured."""
    tags: Sequence[tuple[str, float, int]]
    """(tag, F1, records that bear it), a row a tag."""
    report: Path
    """Where report.html is."""


class Store(Protocol):
    """One tool. Whatever it raises from `resume` on is said once, and training goes on."""

    tool: str
    """As the settings name it."""

    def open(self, facts: Mapping[str, Fact]) -> None:
        """Make the run, or take up that of this folder, and say what it starts from."""

    def resume(self, lines: Sequence[Line]) -> Mapping[Side, int]:
        """Go on after these lines of metrics.jsonl; the last step of each side that it has and that stays."""

    def send(self, lines: Sequence[Line]) -> None:
        """Keep these lines; where this raises, the same ones come again."""

    def finish(self, results: Results) -> None:
        """Keep the results; a run that is killed right after says them again."""

    def close(self, status: Status) -> None:
        """Let go of the run."""


class Tracker(Logger):
    """A Lightning logger that gets from `MetricsLog` what metrics.jsonl gets.

    Lines that a tool would not take are kept, and sent again with later ones, at most once a minute.
    """

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        self._before: list[Line] = []
        self._held: Mapping[Side, int] | None = None
        self._waiting: list[Line] = []
        self._try_again_at = 0.0
        self._warned = False

    @property
    def name(self) -> str:
        """The tool."""
        return self._store.tool

    @property
    def version(self) -> str:
        """Nothing: a run has one version."""
        return ""

    def open(self, facts: Mapping[str, Fact]) -> None:
        """Make the run, or take it up again; what it starts from is said before its first step.

        Raises:
            ConfigError: the tool cannot be reached, or refuses.
        """
        try:
            self._store.open(facts)
        except TagnetError:
            raise
        except Exception as error:
            raise cannot_open(self.name, error) from error

    def resume(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Go on after the lines that metrics.jsonl holds; those of them that the tool lacks are sent again."""
        self._before = [read_line(entry) for entry in entries]
        self._waiting = list(self._before)
        self._attempt(self._flush)

    def log_lines(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Send lines as metrics.jsonl has just got them."""
        self._waiting += [read_line(entry) for entry in entries]
        if time.monotonic() >= self._try_again_at:
            self._attempt(self._flush)

    def log_results(self, results: Results) -> None:
        """Send what the finished run has found."""
        self._attempt(self._flush)
        self._attempt(lambda: self._store.finish(results))

    def close(self, status: Status) -> None:
        """Let go of the run; what could not be sent is counted in the log."""
        self._attempt(lambda: self._store.close(status))
        if self._waiting:
            logger.warning(
                "logger=%s: %d lines were not taken; metrics.jsonl has all of them", self.name, len(self._waiting)
            )

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Send values of one step, for callbacks that know Lightning's loggers alone."""
        self.log_lines([{**metrics, "step": step or 0}])

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: `open` was told all settings."""

    def _flush(self) -> None:
        if self._held is None:
            self._held = self._store.resume(self._before)
        while self._waiting:
            part = self._next()
            new = [line for line in part if line.step > self._held.get(line.side, -1)]
            if new:
                self._store.send(new)
            del self._waiting[: len(part)]

    def _next(self) -> list[Line]:
        """The first line that waits, and as many more as fit into one request."""
        sizes = itertools.accumulate(len(line.values) for line in self._waiting)
        count = sum(1 for _ in itertools.takewhile(lambda size: size <= _VALUES_AT_ONCE, sizes))
        return self._waiting[: max(1, count)]

    def _attempt(self, what: Callable[[], None]) -> None:
        try:
            what()
        except Exception as error:
            self._try_again_at = time.monotonic() + _SECONDS_BETWEEN_TRIES
            if not self._warned:
                self._warned = True
                logger.warning(
                    "logger=%s has failed, and training goes on: %s. What it misses is in metrics.jsonl, and is sent "
                    "when it answers again.",
                    self.name,
                    first_line(error),
                )


def read_line(entry: Mapping[str, Any]) -> Line:
    """A line of metrics.jsonl as trackers take it: the epoch once a step, and no null.

    >>> read_line({"step": 3, "epoch": 0, "lr": 0.1, "train.loss": None})  # doctest: +ELLIPSIS
    Line(side='train', step=3, values={'epoch': 0.0, 'lr': 0.1}, time=...)
    >>> read_line({"step": 3, "epoch": 0, "val.map": 0.5})  # doctest: +ELLIPSIS
    Line(side='val', step=3, values={'val.map': 0.5}, time=...)
    """
    side: Side = "val" if any(key.startswith("val.") for key in entry) else "train"
    left_out = {"step", "epoch"} if side == "val" else {"step"}
    values = {k: float(v) for k, v in entry.items() if k not in left_out and v is not None}
    return Line(side, entry["step"], {k: v for k, v in values.items() if math.isfinite(v)}, time.time())


def last_steps(lines: Iterable[Line]) -> dict[Side, int]:
    """The last step of each side.

    >>> last_steps([Line("train", 1, {}, 0), Line("train", 2, {}, 0), Line("val", 2, {}, 0)])
    {'train': 2, 'val': 2}
    """
    found: dict[Side, int] = {}
    for line in lines:
        found[line.side] = max(line.step, found.get(line.side, 0))
    return found


def cannot_open(tool: str, error: Exception, setting: str = "") -> ConfigError:
    """The error that says before training that a tool cannot be used.

    Args:
        tool: as the settings name it.
        error: what the tool raised.
        setting: the setting that is to blame, such as `logger.uri=http://localhost:5000`; empty: the tool itself.
    """
    return ConfigError(
        f"{setting or f'logger={tool}'}: expected {tool} to take the run, found: {first_line(error)}.\n"
        "Mend that, or train with logger=tensorboard, which needs no server, or logger=none."
    )


def first_line(error: BaseException) -> str:
    r"""What an error says first, short enough for a log; of a network's or a disk's, what the system said.

    >>> first_line(ValueError("Bad.\nVery bad."))
    'Bad'
    """
    deepest: BaseException | None = error
    while deepest is not None:
        if isinstance(deepest, OSError) and deepest.strerror:
            return deepest.strerror
        deepest = deepest.__cause__ or deepest.__context__
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return textwrap.shorten(text, _LONGEST_REASON, placeholder=" …").rstrip(".")
