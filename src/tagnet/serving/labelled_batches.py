"""A command for each batch of tasks that people have finished: the next training run, say.

A batch is noted in the file of events before its command is started, so that neither an event that comes again nor a
server that starts again starts it twice. Commands run one after another; a batch that is full meanwhile waits.
"""

from __future__ import annotations

import logging
import os
import subprocess
import threading
from collections.abc import Sequence

from tagnet.serving.label_studio_events import Event, EventFile

_LOG = logging.getLogger("tagnet.serving")


class LabelledBatches:
    """Events in, commands out; every method may be called from any thread."""

    def __init__(self, events: EventFile, command: Sequence[str] | None, size: int) -> None:
        """Nothing is opened yet.

        Args:
            events: what is counted.
            command: program and arguments, started without a shell; None: events are kept, and nothing is started.
            size: tasks of a batch.
        """
        self._events = events
        self._command = command
        self._size = size
        self._lock = threading.Lock()
        self._running: threading.Thread | None = None
        self._closed = False

    def open(self) -> None:
        """Open the file, and start what has been full since; raises as `EventFile.open`."""
        self._events.open()
        self._start_if_full()

    def close(self) -> None:
        """Start nothing more. A command that runs goes on: it is no part of the server."""
        with self._lock:
            self._closed = True
            self._events.close()

    def add(self, events: Sequence[Event]) -> int:
        """Keep events, and start what is full; how many of them are new.

        Raises:
            OSError: they could not be stored.
        """
        with self._lock:
            if self._closed:
                raise OSError("the server stops")
            new = self._events.add(events)
        self._start_if_full()
        return new

    def _start_if_full(self) -> None:
        with self._lock:
            if self._command is None or self._closed or self._running is not None:
                return
            if self._events.num_waiting < self._size:
                return
            number = self._events.begin_batch(self._size)
            self._running = threading.Thread(target=self._run, args=(number,), daemon=True)
            self._running.start()

    def _run(self, number: int) -> None:
        assert self._command is not None
        _LOG.info("batch %d: %d tasks are finished; starting %s", number, self._size, self._command[0])
        try:
            code = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=2,  # what it says stands among what the server says
                env={**os.environ, "TAGNET_LABELLED_BATCH": str(number), "TAGNET_LABELLED_TASKS": str(self._size)},
                start_new_session=True,
            ).wait()
            (_LOG.info if code == 0 else _LOG.error)("batch %d: the command has ended with %d", number, code)
        except OSError as error:
            _LOG.error("batch %d: the command cannot be started (%s)", number, error.strerror or error)
        finally:
            with self._lock:
                self._running = None
        try:
            self._start_if_full()
        except OSError as error:
            _LOG.error("the next batch cannot be noted (%s); it waits for the next event", error.strerror or error)
