"""Where people answer what a loop asks: a Label Studio server, or files that are carried to any tool and back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tagnet.labeling.label_studio_server.connection import Connection
from tagnet.labeling.label_studio_server.pull import pull
from tagnet.labeling.label_studio_server.push import push
from tagnet.labeling.label_studio_server.task_pages import Key, Progress
from tagnet.labeling.tasks import TaskBatch
from tagnet.labeling.tools.codec import Codec, Replies
from tagnet.labeling.tools.label_studio import Control
from tagnet.workflows.loop_files import RoundFiles
from tagnet.workflows.loop_plan import SERVER

_ENDINGS = {"csv": ".csv", "brat": "", "prodigy": ".jsonl", "doccano": ".jsonl"}


@dataclass(frozen=True)
class Fetched:
    """What has come back until now."""

    replies: Replies
    file: str
    """Where from: a file's name, or a server's address."""
    file_sha256: str | None


class Desk(Protocol):
    """Where people answer."""

    @property
    def tool(self) -> str:
        """The codec's name."""

    def place(self, round_files: RoundFiles) -> str:
        """Where people find the questions of a round, in words."""

    def how_to_answer(self, round_files: RoundFiles) -> str:
        """What has to happen there, in words."""

    def send(self, round_files: RoundFiles, batch: TaskBatch) -> None:
        """Make true that every question of a round is there once, however often it is called.

        Raises:
            LabelingError: it cannot be; the same call goes on later.
        """

    def fetch(self, round_files: RoundFiles, keys: Collection[Key], again: Callable[[], TaskBatch]) -> Fetched | None:
        """All that was answered until now; None where nothing has come back.

        Args:
            round_files: of the round.
            keys: of its tasks.
            again: makes its tasks, should they be lost.

        Raises:
            LabelingError: what came back cannot be read, or the server cannot be asked.
        """


@dataclass(frozen=True)
class ServerDesk:
    """A project on a Label Studio server."""

    connection: Connection
    title: str
    control: Control
    progress: Progress | None = None
    tool: str = SERVER

    def place(self, round_files: RoundFiles) -> str:
        """The project."""
        return f"project {self.title!r} at {self.connection.url}"

    def how_to_answer(self, round_files: RoundFiles) -> str:
        """Label there."""
        return f"label the tasks of {self.place(round_files)}"

    def send(self, round_files: RoundFiles, batch: TaskBatch) -> None:
        """Push."""
        push(self.connection, self.title, batch, self.control, self.progress)

    def fetch(self, round_files: RoundFiles, keys: Collection[Key], again: Callable[[], TaskBatch]) -> Fetched | None:
        """Pull; tasks that somebody took away are pushed again."""
        found = pull(self.connection, self.title, self.progress)
        if set(keys) - {task.key for task in found.tasks}:
            self.send(round_files, again())
        return Fetched(found.replies, self.connection.url, None)


@dataclass(frozen=True)
class FileDesk:
    """Files in the round's folder: `tasks…` is taken to the tool, its export is put beside it as `answers…`."""

    codec: Codec

    @property
    def tool(self) -> str:
        """The codec's name."""
        return self.codec.name

    def tasks(self, round_files: RoundFiles) -> Path:
        """What the tool imports."""
        return round_files.folder / f"tasks{_ENDINGS.get(self.tool, '.json')}"

    def answers(self, round_files: RoundFiles) -> Path:
        """Where its export belongs."""
        return round_files.folder / f"answers{_ENDINGS.get(self.tool, '.json')}"

    def place(self, round_files: RoundFiles) -> str:
        """The file of tasks."""
        return str(self.tasks(round_files))

    def how_to_answer(self, round_files: RoundFiles) -> str:
        """Carry it there and back."""
        return f"label {self.tasks(round_files)} with {self.tool}, and put its export at {self.answers(round_files)}"

    def send(self, round_files: RoundFiles, batch: TaskBatch) -> None:
        """Write the tasks; nobody has seen them yet when they are written again."""
        tasks = self.tasks(round_files)
        if tasks.is_dir() and any(tasks.iterdir()):
            return
        self.codec.write(batch, tasks)

    def fetch(self, round_files: RoundFiles, keys: Collection[Key], again: Callable[[], TaskBatch]) -> Fetched | None:
        """Read the export."""
        path = self.answers(round_files)
        if not path.exists():
            return None
        sha = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        return Fetched(self.codec.read(path), path.name, sha)
