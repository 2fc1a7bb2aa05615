"""Files and folders that are there whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tagnet.errors import RunDirectoryError


def write_with(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then give it its name; folders above it are made.

    The file's permissions follow the umask, whatever `write` leaves behind.

    Raises:
        RunDirectoryError: the folder cannot be written to, or the disk is full; nothing is left behind.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, mode = _create_beside(path)
        write(temporary)
        temporary.chmod(mode)
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    r"""Write `text` to `path` as UTF-8, whole or not at all.

    Half of a surrogate pair, which JSON can hold and UTF-8 cannot, is written as `\udXXX`: in JSON it reads back.
    """
    content = text.encode("utf-8", "backslashreplace")
    write_with(path, lambda temporary: temporary.write_bytes(content))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON; NaN and infinities are a ValueError, for no other language reads them."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """An empty folder to fill, which takes the place of `folder` when nothing went wrong, and is gone otherwise.

    Raises:
        RunDirectoryError: it cannot be written; what was there stays.
    """
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    old = folder.with_name(f"{aside.stem}.old.part")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside.mkdir()
        yield aside
        if folder.is_dir():
            folder.replace(old)
        try:
            aside.replace(folder)
        except BaseException:
            if old.is_dir():
                old.replace(folder)
            raise
    except OSError as error:
        raise cannot_write(folder, error) from error
    except RunDirectoryError as error:
        # It names a file inside the folder that is about to vanish.
        cause = error.__cause__
        raise (cannot_write(folder, cause) if isinstance(cause, OSError) else error) from cause
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Hold a lock on a file that is read and then written anew, waiting for it; whoever dies lets go of it.

    The lock is one on an empty file beside it, which stays: the file itself is replaced. A file system that knows no
    locks (some network ones) gives none, and nothing is waited for.

    Raises:
        RunDirectoryError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path.with_name(f".{path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o666)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def cannot_write(path: Path, error: OSError) -> RunDirectoryError:
    """The error that says which file could not be written, why, and what to do."""
    return RunDirectoryError(
        f"{path}: cannot be written ({error.strerror or error}); nothing was left half-written.\n"
        "Free space on that disk, or choose another place with run.dir=PATH or --output PATH."
    )


def _create_beside(path: Path) -> tuple[Path, int]:
    """An empty file beside `path`, and the permissions that the umask gave it."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        return temporary, stat.S_IMODE(os.fstat(handle).st_mode)
    finally:
        os.close(handle)
