"""`tagnet predict`: texts, a file of records, or lines of standard input, to tags."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from tagnet.cli.console import message_console, result_console, speak_to
from tagnet.cli.extras import require_extra
from tagnet.cli.predict_file import FileJob, predict_file, progress_bar
from tagnet.errors import ConfigError, RecordError, nearest

if TYPE_CHECKING:
    from tagnet.prediction.stream import AnyTagger, Lines
    from tagnet.prediction.tag_prediction import TagPrediction
    from tagnet.records.parse import RowSchema
    from tagnet.records.record import Record, RecordId

_SHOWN = 8
_BLOCK = 4096
"""Records that are held and computed at a time."""


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
    engine: str = "local",
) -> None:
    """Run the command."""
    if texts and input is not None:
        raise ConfigError("tagnet predict: expected texts or --input, found both")
    if columns and texts:
        raise ConfigError("tagnet predict: --column names columns of records, and texts have none")
    if engine not in ("local", "ray"):
        raise ConfigError(f"--engine: expected local or ray, found {engine!r}{nearest(engine, ['local', 'ray'])}")
    if engine == "ray" and input is None:
        raise ConfigError("--engine ray reads a file of records: name it with --input")
    names = parse_columns(columns)
    is_onnx = (bundle / "tagnet.json").is_file()
    if not is_onnx:
        require_extra("train", "predict")
    elif device not in ("auto", "cpu"):
        raise ConfigError(f"--device {device}: an ONNX export runs on the CPU; leave --device out")
    from tagnet.prediction.stream import predict_block
    from tagnet.records.parse import RowSchema

    messages = message_console()
    speak_to(messages)

    def load() -> AnyTagger:
        # An actor of Ray's has one core to itself.
        return _load(bundle, device, is_onnx=is_onnx, threads=1 if engine == "ray" else None)

    features, model_version = _described(bundle, is_onnx=is_onnx)
    schema = RowSchema(names, features, need_tags=False)
    if input is not None:
        settings = {
            "model": model_version,
            "runs_on": "onnxruntime" if is_onnx else f"torch on {device}",
            "columns": names,
            "top": top,
            "batch_size": batch_size,
            "block": _BLOCK,
        }
        job = FileJob(str(input), schema, load, settings, top, batch_size, engine, _BLOCK)
        predict_file(job, output, messages)
        return
    inputs: Sequence[str | Record]
    ids: Sequence[RecordId]
    if texts:
        inputs, ids = list(texts), list(range(1, len(texts) + 1))
    else:
        inputs, ids = read_lines(sys.stdin, schema)
    tagger = load()
    if texts and output is None and result_console().is_terminal:
        _show(texts, tagger.to_predictions(tagger.probabilities(inputs, batch_size=batch_size), top))
        return
    with progress_bar(messages, len(inputs), "predicting", hide=output is None and sys.stdout.isatty()) as advance:
        lines = _lines(tagger, inputs, ids, top, batch_size, advance, predict_block)
        if output is None:
            for line in lines:
                sys.stdout.write(line)
            return
        from tagnet.atomic import write_with

        write_with(output, lambda path: _write(path, lines))
    messages.print(Text(f"{len(ids)} records → {output}"), soft_wrap=True)


def _described(bundle: Path, *, is_onnx: bool) -> tuple[tuple[str, ...], str]:
    """The fields that a model reads, and its version."""
    from tagnet.bundle import read_bundle
    from tagnet.prediction.onnx_folder import read_onnx_folder

    if is_onnx:
        onnx = read_onnx_folder(bundle)
        return onnx.text.features, f"{onnx.model_version} {onnx.precision}"
    found = read_bundle(bundle)
    return found.text.features, found.fingerprint


def _load(bundle: Path, device: str, *, is_onnx: bool, threads: int | None) -> AnyTagger:
    if is_onnx:
        from tagnet.prediction.onnx_tagger import OnnxTagger

        return OnnxTagger.load(bundle, threads=threads)
    from tagnet.prediction.tagger import Tagger

    return Tagger.load(bundle, device)


def _lines(
    tagger: AnyTagger,
    inputs: Sequence[str | Record],
    ids: Sequence[RecordId],
    top: int | None,
    batch_size: int,
    advance: Callable[[int], object],
    predict: Callable[..., Lines],
) -> Iterator[str]:
    """Lines of inputs that are at hand, a block at a time."""
    for start in range(0, len(inputs), _BLOCK):
        block = list(zip(ids[start : start + _BLOCK], inputs[start : start + _BLOCK], strict=True))
        count, lines = predict(tagger, block, top, batch_size)
        yield lines.decode()
        advance(start + count)


def _write(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
        stream.writelines(lines)


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
