"""Predictions for files of any size: a block of records at a time, an output that goes on after a kill.

While the output grows, two files lie beside it: `.NAME.part`, the lines so far, and `.NAME.progress.json`, which says
how many records and bytes of it are certain, and for which input and settings. A run that was killed at any moment goes
on from there; blocks are the same records in the same batches, so the output is that of an undisturbed run, byte for
byte. It gets its name when it is whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from tagnet.atomic import cannot_write
from tagnet.errors import RecordError, RunDirectoryError
from tagnet.prediction.inputs import Input
from tagnet.prediction.tag_prediction import TagPrediction
from tagnet.records.record import Record, RecordId

Block = Sequence[tuple[RecordId, Input]]
"""Inputs and how each is known."""
Lines = tuple[int, bytes]
"""Records of a block, and their lines."""


class AnyTagger(Protocol):
    """A `Tagger` or an `OnnxTagger`."""

    def probabilities(self, inputs: Sequence[Input], *, batch_size: int = 64) -> NDArray[np.float64]:
        """Calibrated probabilities, (N, K)."""

    def to_predictions(self, probs_NK: NDArray[np.float64], top: int | None = None) -> list[list[TagPrediction]]:
        """Probabilities (N, K) as predictions."""


def blocks_of(records: Iterable[Record], size: int, *, skip: int = 0) -> Iterator[list[tuple[RecordId, Record]]]:
    """Records in blocks of `size`, without the first `skip` of them."""
    rest = islice(records, skip, None)
    while block := [(record.id, record) for record in islice(rest, size)]:
        yield block


def predict_block(tagger: AnyTagger, block: Block, top: int | None, batch_size: int) -> Lines:
    """The lines of a block, one a record, each with its line break."""
    probs_NK = tagger.probabilities([each for _, each in block], batch_size=batch_size)
    lines = [
        line_of(identity, predictions) + "\n"
        for (identity, _), predictions in zip(block, tagger.to_predictions(probs_NK, top), strict=True)
    ]
    return len(block), "".join(lines).encode("utf-8", "backslashreplace")


def line_of(identity: RecordId, predictions: Sequence[TagPrediction]) -> str:
    """One record's tags as JSON.

    >>> line_of(7, [TagPrediction("a", 0.75, 0.5, True)])
    '{"id": 7, "tags": [{"tag": "a", "probability": 0.75, "threshold": 0.5, "accepted": true}]}'
    """
    tags = [
        {"tag": p.tag, "probability": p.probability, "threshold": p.threshold, "accepted": p.accepted}
        for p in predictions
    ]
    return json.dumps({"id": identity, "tags": tags}, ensure_ascii=False)


def write_resumably(
    path: Path,
    settings: Mapping[str, Any],
    num_records: int,
    lines_from: Callable[[int], Iterator[Lines]],
    *,
    progress: Callable[[int], object] = lambda done: None,
) -> int:
    """Write all lines, or go on where an earlier run with the same settings was stopped.

    Args:
        path: the output; what is there is replaced once the new one is whole.
        settings: all that the lines depend on: an earlier run's part counts only where they are equal.
        num_records: how many records there are.
        lines_from: the lines from a record on.
        progress: called with the number of records that are written.

    Returns:
        How many records an earlier run had written.

    Raises:
        RunDirectoryError: the output cannot be written (nothing is left behind), or another process writes it.
        RecordError: there are not as many records as there should be, or so says `lines_from`; nothing is left behind.
        Exception: whatever else `lines_from` raises; what is written stays for the next run.
    """
    with _Part(path, settings) as part:
        before = part.done
        progress(part.done)
        for count, lines in lines_from(part.done):
            part.append(count, lines)
            progress(part.done)
        if part.done != num_records:
            raise RecordError(f"expected {num_records} records, found {part.done}: the file was changed meanwhile")
        part.finish()
        return before


class _Part:
    """The part of an output that is there, and what is known of it."""

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.part")
        self._progress = path.with_name(f".{path.name}.progress.json")
        self._next = path.with_name(f".{path.name}.progress.next")
        self._settings = dict(settings)
        self._bytes = 0
        self.done = 0

    def __enter__(self) -> Self:
        with self._writing():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self._part.open("ab")
        try:
            with self._writing():
                self._lock()
                size = os.fstat(self._stream.fileno()).st_size
                found = self._read()
                if found is not None and found["settings"] == self._settings and found["bytes"] <= size:
                    self.done, self._bytes = found["records"], found["bytes"]
                self._stream.truncate(self._bytes)
        except BaseException:
            self._stream.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        # Other records make other lines, and a full disk needs the room. All else, be it a signal, a package that is
        # not installed or a node that went away, may not meet the next run, which goes on.
        if isinstance(error, RecordError | RunDirectoryError) or (isinstance(error, Exception) and not self.done):
            self._discard()
        self._stream.close()

    def append(self, count: int, lines: bytes) -> None:
        """Put a block's lines on disk, then note that they are there."""
        with self._writing():
            self._append(count, lines)

    def finish(self) -> None:
        """Give the output its name."""
        with self._writing():
            self._stream.flush()
            self._part.replace(self._path)
            self._progress.unlink(missing_ok=True)
            self._next.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise cannot_write(self._path, error) from error

    def _lock(self) -> None:
        """Keep others from the part.

        Raises:
            RunDirectoryError: another process has it, or has had it until a moment ago.
        """
        busy = f"{self._path}: another process is writing it; wait, or choose another"
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunDirectoryError(busy) from error
        # Another run may have finished since the part was opened: then it is the output now, and none of ours.
        if not self._part.exists() or not os.path.samestat(os.fstat(self._stream.fileno()), self._part.stat()):
            raise RunDirectoryError(busy)

    def _append(self, count: int, lines: bytes) -> None:
        self._stream.write(lines)
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._bytes += len(lines)
        self.done += count
        # Under a name of its own, which the next run takes again: a kill leaves nothing that nobody would take away.
        with self._next.open("w", encoding="utf-8") as stream:
            json.dump({"settings": self._settings, "records": self.done, "bytes": self._bytes}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        self._next.replace(self._progress)

    def _discard(self) -> None:
        """Leave nothing behind."""
        with contextlib.suppress(OSError):
            for path in (self._next, self._progress, self._part):
                path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any] | None:
        try:
            found = json.loads(self._progress.read_text(encoding="utf-8"))
            return {"settings": found["settings"], "records": int(found["records"]), "bytes": int(found["bytes"])}
        except (OSError, ValueError, KeyError, TypeError):
            return None
