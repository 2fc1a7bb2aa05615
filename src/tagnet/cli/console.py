"""Where commands speak: results to standard output, everything else to standard error."""

from __future__ import annotations

import logging
import sys
import time

from rich.console import Console
from rich.text import Text

from tagnet.training.local_rank import local_rank

_STYLES = {logging.WARNING: "yellow", logging.ERROR: "bold red"}


def result_console() -> Console:
    """For results. Colours and widths follow the terminal; NO_COLOR and pipes are respected by rich."""
    return Console(highlight=False)


def message_console() -> Console:
    """For progress, messages and errors."""
    return Console(stderr=True, highlight=False)


class ConsoleHandler(logging.Handler):
    """Prints log records through a console, so that they never tear a progress bar."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        prefix = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        self._console.print(Text(prefix + record.getMessage(), style=_STYLES.get(record.levelno, "")), soft_wrap=True)


def speak_to(console: Console) -> None:
    """Let tagnet's log speak on this console."""
    logger = logging.getLogger("tagnet")
    logger.handlers = [h for h in logger.handlers if not isinstance(h, ConsoleHandler)]
    logger.addHandler(ConsoleHandler(console))
    logger.setLevel(logging.INFO)
    logger.propagate = False


def let_the_first_process_speak() -> None:
    """Wait, in the others of one machine: they have met the same error, and end with the first one before they say so.

    What only this process has met is said after ten seconds.
    """
    if local_rank() > 0:
        time.sleep(10)


def print_error(message: str) -> None:
    """One error, on standard error, without markup or traceback."""
    sys.stdout.flush()
    Console(stderr=True, highlight=False).print(Text("error: " + message, style="bold red"), soft_wrap=True)
