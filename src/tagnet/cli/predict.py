"""`tagnet predict`: texts, a file of records, or lines of standard input, to tags."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.progress import Progress
from rich.text import Text

from tagnet.cli.console import message_console, result_console, speak_to
from tagnet.cli.extras import require_extra
from tagnet.errors import ConfigError, RecordError

_SHOWN = 8


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
    if columns and input is None:
        raise ConfigError("tagnet predict: --column names columns of --input, which is missing")
    require_extra("train", "predict")
    from tagnet.prediction.tagger import Tagger
    from tagnet.records.io import load_records

    messages = message_console()
    speak_to(messages)
    tagger = Tagger.load(bundle, device)
    ids: list[Any]
    if input is not None:
        features = tagger.bundle.text.features
        records = load_records(str(input), parse_columns(columns), "error", features, need_tags=False).records
        inputs: Sequence[Any] = records
        ids = [record.id for record in records]
    elif texts:
        inputs, ids = list(texts), list(range(1, len(texts) + 1))
    else:
        inputs, ids = _from_lines(sys.stdin, tagger.bundle.text.features)

    with Progress(console=messages, transient=True, disable=not messages.is_terminal) as progress:
        task = progress.add_task("predicting", total=len(inputs))
        probs_NK = tagger.probabilities(
            inputs, batch_size=batch_size, progress=lambda done: progress.update(task, completed=done)
        )
    results = zip(ids, tagger.to_predictions(probs_NK, top), strict=True)
    if texts and output is None and result_console().is_terminal:
        _show(texts, [predictions for _, predictions in results])
        return
    lines = (_line(identity, predictions) for identity, predictions in results)
    if output is None:
        for line in lines:
            print(line)
        return
    from tagnet.atomic import write_text

    write_text(output, "".join(line + "\n" for line in lines))
    messages.print(Text(f"{len(ids)} records → {output}"), soft_wrap=True)


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


def _from_lines(stream: Iterable[str], features: Sequence[str]) -> tuple[list[Any], list[Any]]:
    """Each line a JSON record where it starts with a brace, else a text; empty lines are passed over."""
    inputs: list[Any] = []
    ids: list[Any] = []
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        if not line.lstrip().startswith("{"):
            inputs.append(line.strip())
            ids.append(number)
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise RecordError(f"standard input, line {number}: expected a JSON record or a text; {error}") from error
        if not any(row.get(name) for name in features):
            raise RecordError(
                f"standard input, line {number}: expected at least one of {', '.join(features)}, "
                f"found {', '.join(row) or 'nothing'}"
            )
        inputs.append({name: str(row.get(name) or "") for name in features})
        ids.append(row.get("id", number))
    return inputs, ids


def _line(identity: Any, predictions: Sequence[Any]) -> str:
    tags = [
        {"tag": p.tag, "probability": p.probability, "threshold": p.threshold, "accepted": p.accepted}
        for p in predictions
    ]
    return json.dumps({"id": identity, "tags": tags}, ensure_ascii=False)


def _show(texts: Sequence[str], results: Sequence[Sequence[Any]]) -> None:
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
