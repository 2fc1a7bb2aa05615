"""Locks between the processes of a sweep: a process that dies, however it dies, lets go.

They are advisory file locks (flock), which a shared file system must support when the workers are on several machines.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tagnet.atomic import cannot_write
from tagnet.errors import SweepError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock for the length of a block, waiting for it.

    Raises:
        RunDirectoryError: the folder cannot be written to.
        SweepError: the file system knows no locks.
    """
    with _open(path) as stream:
        _lock(stream, fcntl.LOCK_EX)
        yield


def try_lock(path: Path, patience: float = 0.0) -> IO[str] | None:
    """Take a lock that is held until the returned file is closed, in this process and in those that inherit it.

    Args:
        path: the lock's file.
        patience: seconds to wait for it.

    Returns:
        The open file, or None where another process holds the lock.

    Raises:
        RunDirectoryError: the folder cannot be written to.
        SweepError: the file system knows no locks.
    """
    deadline = time.monotonic() + patience
    stream = _open(path)
    while True:
        try:
            _lock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                stream.close()
                return None
            time.sleep(0.2)
        except SweepError:
            stream.close()
            raise
        else:
            return stream


def _open(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("w")
    except OSError as error:
        raise cannot_write(path, error) from error


def _lock(stream: IO[str], how: int) -> None:
    try:
        fcntl.flock(stream, how)
    except BlockingIOError:
        raise
    except OSError as error:
        raise SweepError(
            f"{stream.name}: expected a file system that can lock files, found one that cannot ({error.strerror}); "
            "choose a run.dir on another"
        ) from error
