"""Files that are either there whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tagnet.errors import RunDirectoryError


def write_with(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then give it its name.

    Raises:
        RunDirectoryError: the folder cannot be written to, or the disk is full; nothing is left behind.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        temporary.chmod(0o666 & ~_umask())
        flush(temporary)
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    write_with(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON; NaN and infinities are refused, for no other language reads them."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def flush(path: Path) -> None:
    """Wait until a file's content is on the disk: a rename after that can never name an empty file."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def cannot_write(path: Path, error: OSError) -> RunDirectoryError:
    """The error that says which file could not be written, why, and what to do."""
    return RunDirectoryError(
        f"{path}: cannot be written ({error.strerror or error}); nothing was left half-written.\n"
        "Free space on that disk, or choose another place with run.dir=PATH or --output PATH."
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
