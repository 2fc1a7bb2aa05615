"""`tagnet predict --input`: a file of records of any size."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress
from rich.text import Text

if TYPE_CHECKING:
    from tagnet.prediction.stream import AnyTagger, Lines
    from tagnet.records.parse import RowSchema

_LARGE_ARRAY = 256 << 20
"""Of bytes: a JSON array from here on is worth a warning."""


@dataclass(frozen=True)
class FileJob:
    """A file to predict."""

    source: str
    schema: RowSchema
    load: Callable[[], AnyTagger]
    settings: Mapping[str, Any]
    """What the lines depend on, but for the records."""
    top: int | None
    batch_size: int
    engine: str
    """`local` or `ray`."""
    block: int
    """Records that are held and computed at a time."""

    def lines_from(self, done: int) -> Iterator[Lines]:
        """The lines from a record on, a block at a time."""
        from tagnet.prediction.stream import blocks_of, predict_block
        from tagnet.records.survey import iter_records

        source, schema, block = self.source, self.schema, self.block
        if self.engine == "ray":
            from tagnet.prediction.ray_engine import lines_with_ray

            yield from lines_with_ray(
                lambda: blocks_of(iter_records(source, schema), block, skip=done),
                self.load,
                top=self.top,
                batch_size=self.batch_size,
            )
            return
        tagger = self.load()
        for records in blocks_of(iter_records(source, schema), block, skip=done):
            yield predict_block(tagger, records, self.top, self.batch_size)


def predict_file(job: FileJob, output: Path | None, messages: Console) -> None:
    """All records of a file, in memory that does not grow with it; the output goes on after a kill.

    Raises:
        RecordError: a row cannot be used; nothing is predicted.
        RunDirectoryError: the output cannot be written.
    """
    from tagnet.prediction.stream import write_resumably
    from tagnet.records.survey import survey_records

    _warn_of_large_arrays(Path(job.source))
    on_screen = output is None and sys.stdout.isatty()
    with progress_bar(messages, None, "looking at the records", hide=on_screen) as advance:
        survey = survey_records(job.source, job.schema, advance)
    with progress_bar(messages, survey.num_records, "predicting", hide=on_screen) as advance:
        if output is None:
            done = 0
            for count, lines in job.lines_from(0):
                sys.stdout.write(lines.decode())
                done += count
                advance(done)
            return
        settings = {**job.settings, "records": survey.fingerprint}
        before = write_resumably(output, settings, survey.num_records, job.lines_from, progress=advance)
    went_on = f" ({before} of them by an earlier run that was stopped)" if before else ""
    messages.print(Text(f"{survey.num_records} records{went_on} → {output}"), soft_wrap=True)


def _warn_of_large_arrays(path: Path) -> None:
    if path.suffix.lower() == ".json" and path.is_file() and path.stat().st_size > _LARGE_ARRAY:
        logging.getLogger("tagnet").warning(
            "%s: a JSON array is read into memory as a whole; JSON Lines, CSV and Parquet are not", path
        )


@contextmanager
def progress_bar(console: Console, total: int | None, what: str, *, hide: bool) -> Iterator[Callable[[int], object]]:
    """A progress bar on standard error, where that is a terminal."""
    # rich would lead standard output to the progress bar's console, which is standard error.
    with Progress(
        *Progress.get_default_columns(),
        console=console,
        transient=True,
        disable=hide or not console.is_terminal,
        redirect_stdout=False,
    ) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)
