"""`tagnet predict`: texts, a file of records, or lines of standard input, to tags."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import Progress
from rich.text import Text

from tagnet.cli.console import message_console, result_console, speak_to
from tagnet.cli.extras import require_extra
from tagnet.errors import ConfigError, RecordError

if TYPE_CHECKING:
    from tagnet.prediction.tag_prediction import TagPrediction
    from tagnet.prediction.tagger import Tagger
    from tagnet.records.parse import RowSchema
    from tagnet.records.record import Record, RecordId

_SHOWN = 8
_BLOCK = 4096


def run(
    bundle: Path,
    texts: Sequence[str],
    input: Path | None,
    output: Path | None,
    *,
    top: int | None,
    columns: Sequence[str],
    batch_size: int,
    device: str,
) -> None:
    """Run the command."""
    if texts and input is not None:
        raise ConfigError("tagnet predict: expected texts or --input, found both")
    if columns and texts:
        raise ConfigError("tagnet predict: --column names columns of records, and texts have none")
    names = parse_columns(columns)
    require_extra("train", "predict")
    from tagnet.atomic import write_with
    from tagnet.prediction.tagger import Tagger
    from tagnet.records.io import AS_FLAGS, load_records
    from tagnet.records.parse import RowSchema

    messages = message_console()
    speak_to(messages)
    tagger = Tagger.load(bundle, device)
    features = tagger.bundle.text.features
    inputs: Sequence[str | Record]
    ids: Sequence[RecordId]
    if input is not None:
        inputs = load_records(str(input), names, "error", features, need_tags=False, hints=AS_FLAGS).records
        ids = [record.id for record in inputs]
    elif texts:
        inputs, ids = list(texts), list(range(1, len(texts) + 1))
    else:
        inputs, ids = read_lines(sys.stdin, RowSchema(names, features, need_tags=False))

    if texts and output is None and result_console().is_terminal:
        _show(texts, tagger.predict(inputs, top=top, batch_size=batch_size))
        return
    hidden = not messages.is_terminal or (output is None and sys.stdout.isatty())
    # rich would lead standard output to the progress bar's console, which is standard error.
    with Progress(console=messages, transient=True, disable=hidden, redirect_stdout=False) as progress:
        task = progress.add_task("predicting", total=len(inputs))
        lines = _lines(tagger, inputs, ids, top, batch_size, lambda done: progress.update(task, completed=done))
        if output is None:
            for line in lines:
                print(line)
            return
        write_with(output, lambda path: _write(path, lines))
    messages.print(Text(f"{len(ids)} records → {output}"), soft_wrap=True)


def _lines(
    tagger: Tagger,
    inputs: Sequence[str | Record],
    ids: Sequence[RecordId],
    top: int | None,
    batch_size: int,
    advance: Callable[[int], object],
) -> Iterator[str]:
    """A line an input, in order; only a block of them is worked on at a time, however many there are."""
    for start in range(0, len(inputs), _BLOCK):
        block = slice(start, start + _BLOCK)
        probs_NK = tagger.probabilities(inputs[block], batch_size=batch_size)
        for identity, predictions in zip(ids[block], tagger.to_predictions(probs_NK, top), strict=True):
            yield _line(identity, predictions)
        advance(start + len(probs_NK))


def _write(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
        stream.writelines(line + "\n" for line in lines)


def parse_columns(columns: Iterable[str]) -> dict[str, str]:
    """`OURS=THEIRS` words as a mapping.

    >>> parse_columns(["title=name"])
    {'title': 'name'}
    """
    pairs = {}
    for word in columns:
        ours, separator, theirs = word.partition("=")
        if not (ours and separator and theirs):
            raise ConfigError(f"--column {word}: expected OURS=THEIRS, such as title=name")
        pairs[ours] = theirs
    return pairs


def read_lines(stream: Iterable[str], schema: RowSchema) -> tuple[list[str | Record], list[RecordId]]:
    """Each line a JSON record where it starts with a brace, else a text; empty lines are passed over.

    A text, or a record without an id, is known by the number of its line.

    Raises:
        RecordError: a line is no record, by the rules that hold in files, or not UTF-8.
    """
    inputs: list[str | Record] = []
    ids: list[RecordId] = []
    try:
        for number, line in enumerate(stream, 1):
            if line.lstrip().startswith("{"):
                record = _parse_line(line, number, schema)
                inputs.append(record)
                ids.append(record.id)
            elif line.strip():
                inputs.append(line.strip())
                ids.append(number)
    except UnicodeDecodeError as fault:
        raise RecordError(f"standard input: expected UTF-8, found byte {fault.object[fault.start]:#04x}") from fault
    return inputs, ids


def _parse_line(line: str, number: int, schema: RowSchema) -> Record:
    from tagnet.records.io import SkippedRow
    from tagnet.records.json_files import describe_fault
    from tagnet.records.parse import parse_row
    from tagnet.records.record import Record
    from tagnet.records.rows import InvalidRow

    try:
        row: object = {schema.column("id"): number} | json.loads(line.rstrip("\r\n"))
    except (ValueError, RecursionError) as fault:
        row = InvalidRow("line", "a JSON record, or a text that starts with no brace", describe_fault(fault, number))
    parsed = parse_row(row, schema)
    if isinstance(parsed, Record):
        return parsed
    raise RecordError(str(SkippedRow("standard input", number, parsed.field, parsed.expected, parsed.found)))


def _line(identity: RecordId, predictions: Sequence[TagPrediction]) -> str:
    tags = [
        {"tag": p.tag, "probability": p.probability, "threshold": p.threshold, "accepted": p.accepted}
        for p in predictions
    ]
    return json.dumps({"id": identity, "tags": tags}, ensure_ascii=False)


def _show(texts: Sequence[str], results: Sequence[Sequence[TagPrediction]]) -> None:
    """For people: accepted tags, and a few that came close."""
    console = result_console()
    for text, predictions in zip(texts, results, strict=True):
        console.print(Text(text, style="bold"), soft_wrap=True)
        shown = [p for p in predictions if p.accepted]
        shown += [p for p in predictions if not p.accepted][: max(0, _SHOWN - len(shown))]
        for p in shown:
            style = "green" if p.accepted else "dim"
            mark = "✓" if p.accepted else " "
            console.print(Text(f"  {mark} {p.probability:5.2f}  (from {p.threshold:.2f})  {p.tag}", style=style))
