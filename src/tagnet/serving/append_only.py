"""A JSON Lines file that only grows: a line is on disk before anybody is told so."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tagnet.errors import RunDirectoryError

_LOG = logging.getLogger("tagnet.serving")


class AppendOnlyFile:
    """An append-only file, held by one server."""

    def __init__(self, path: Path, option: str) -> None:
        """Nothing is opened yet; `option` is the one that named it, for messages."""
        self.path = path
        self._option = option
        self._handle = -1
        self._lock = threading.Lock()

    def open(self) -> None:
        """Open the file, make it where it is not there, and drop a line that a crash has torn.

        Raises:
            RunDirectoryError: it cannot be written, or another server writes to it.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunDirectoryError(
                    f"{self._option} {self.path}: another server writes to it; give each server a file of its own"
                ) from error
            self._mend()
            _sync_folder(self.path.parent)
        except (OSError, RunDirectoryError) as error:
            self.close()
            if isinstance(error, RunDirectoryError):
                raise
            raise RunDirectoryError(f"{self._option} {self.path}: cannot be written ({error.strerror})") from error

    def close(self) -> None:
        """Close the file."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def append(self, row: Mapping[str, Any]) -> str:
        """Write one object and wait until it is on disk; its id.

        `id` and `at` (when it came, in UTC) stand before what is in it.

        Raises:
            OSError: it could not be stored; nothing of it is left in the file.
        """
        identity = str(uuid.uuid4())
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"id": identity, "at": now, **row}, ensure_ascii=False) + "\n"
        content = line.encode()
        with self._lock:
            size = os.fstat(self._handle).st_size
            try:
                written = os.write(self._handle, content)
                if written != len(content):
                    raise OSError(28, os.strerror(28))
                os.fsync(self._handle)
            except OSError:
                os.ftruncate(self._handle, size)
                raise
        return identity

    def _mend(self) -> None:
        """End the last line, or take it away where it is torn: nobody was told that it was stored."""
        size = os.fstat(self._handle).st_size
        looked_at, tail = 1 << 16, b""
        while b"\n" not in tail and len(tail) < size:
            looked_at *= 4
            tail = os.pread(self._handle, looked_at, max(0, size - looked_at))
        last = tail[tail.rfind(b"\n") + 1 :]
        if not last:
            return
        try:
            json.loads(last)
        except ValueError:
            os.ftruncate(self._handle, size - len(last))
            _LOG.warning(
                "%s: its last line is torn, from a crash, and was taken away; it was never acknowledged", self.path
            )
        else:
            os.write(self._handle, b"\n")
        os.fsync(self._handle)


def _sync_folder(folder: Path) -> None:
    """A new file is on disk only when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
