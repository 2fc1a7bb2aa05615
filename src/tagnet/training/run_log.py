"""The run's own log, and what becomes of a disk that fails while the run writes."""

from __future__ import annotations

import errno
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import MemoryHandler
from pathlib import Path
from types import TracebackType
from typing import Self

from tagnet.atomic import cannot_write
from tagnet.training.distributed import is_first_process

logger = logging.getLogger("tagnet")

_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


class RunLog:
    """Keeps what is said until the run has a folder, then writes all of it there.

    Where nobody has told tagnet's log where to speak, as in a notebook, it speaks on standard error meanwhile.
    """

    def __init__(self) -> None:
        self._memory = MemoryHandler(100_000, flushLevel=logging.CRITICAL + 1, flushOnClose=False)
        self._file: logging.FileHandler | None = None
        self._own: logging.Handler | None = None

    def __enter__(self) -> Self:
        if not is_first_process():
            return self
        self._level = logger.level
        if not logger.hasHandlers():
            self._own = logging.StreamHandler(sys.stderr)
            logger.addHandler(self._own)
        logger.addHandler(self._memory)
        logger.setLevel(logging.INFO)
        return self

    def write_to(self, path: Path) -> None:
        """Write what was said so far to a file, and from now on everything at once; a run that goes on appends."""
        if not is_first_process():
            return
        self._file = logging.FileHandler(path, encoding="utf-8")
        self._file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self._memory.setTarget(self._file)
        self._memory.flush()
        logger.removeHandler(self._memory)
        logger.addHandler(self._file)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not is_first_process():
            return
        for handler in (self._memory, self._file, self._own):
            if handler is not None:
                logger.removeHandler(handler)
                handler.close()
        logger.setLevel(self._level)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn a full or failing disk into one clear error, wherever in the run it strikes.

    Raises:
        RunDirectoryError: something in the folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            raise cannot_write(folder, error) from error
        raise
    except RuntimeError as error:
        # PyTorch's writer reports a full disk so.
        if "PytorchStreamWriter" in str(error) or "unexpected pos" in str(error):
            raise cannot_write(folder, OSError(errno.ENOSPC, "No space left on device")) from error
        raise
