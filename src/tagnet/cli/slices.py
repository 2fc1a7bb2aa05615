"""`tagnet slices`: the slices of one model, or two models slice by slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.text import Text

from tagnet.cli.console import message_console, result_console, speak_to
from tagnet.cli.extras import require_extra
from tagnet.cli.predict import parse_columns
from tagnet.errors import ConfigError, nearest

if TYPE_CHECKING:
    from tagnet.evaluation.slices.features import Condition
    from tagnet.evaluation.slices.report import Slice, SliceReport
    from tagnet.workflows.judged_records import JudgedRecords

NUMBERS, PAGE = "slices.json", "slices.html"
_SIDES = ("test", "val")


@dataclass(frozen=True)
class Request:
    """The command line."""

    folders: tuple[Path, ...]
    records: str | None
    define: tuple[Path, ...]
    side: str
    finder: str
    fdr: float
    min_size: int
    output: Path | None
    query: str | None
    number: int
    tool: str
    tasks: Path | None
    everything: bool
    columns: tuple[str, ...]
    device: str
    seed: int


def run(asked: Request) -> None:
    """Run the command.

    Raises:
        ConfigError: options that do not go together.
        TagnetError: what is read cannot be used.
    """
    require_extra("train", "slices")
    from tagnet.evaluation.slices.find import FINDERS
    from tagnet.workflows.judged_records import is_run, judged_records

    if asked.side not in _SIDES:
        raise ConfigError(f"--side: expected test or val, found {asked.side!r}{nearest(asked.side, _SIDES)}")
    if asked.finder not in FINDERS:
        hint = nearest(asked.finder, FINDERS)
        raise ConfigError(f"--finder: expected {', '.join(FINDERS)}; found {asked.finder!r}{hint}")
    if len(asked.folders) > 2:
        raise ConfigError(f"expected one run or bundle, or two to compare, found {len(asked.folders)}")
    if (asked.query is None) != (asked.tasks is None):
        raise ConfigError("--query and --tasks go together: the records to choose from, and the file for the tasks")
    messages, results = message_console(), result_console()
    speak_to(messages)
    side: Literal["val", "test"] = "val" if asked.side == "val" else "test"
    columns = parse_columns(asked.columns)
    found = [judged_records(each, asked.records, columns, side=side, device=asked.device) for each in asked.folders]
    place = asked.output or (asked.folders[-1] if is_run(asked.folders[-1]) else None)
    if len(found) == 2:
        if asked.query is not None:
            raise ConfigError("--query: expected one run or bundle, found two to compare")
        _compare(asked, found, place, results)
        return
    report = _report(asked, found[0], place, messages, results)
    if asked.query is not None and asked.tasks is not None:
        _query(asked, asked.query, asked.tasks, found[0], report, messages)


def _cut(asked: Request, found: JudgedRecords) -> tuple[list[Slice], list[Condition]]:
    from tagnet.evaluation.slices.features import automatic_conditions, words_of
    from tagnet.evaluation.slices.named import load_slices

    named = [each for path in asked.define for each in load_slices(path, found.judged)]
    known = None if found.training_texts is None else words_of(found.training_texts)
    conditions = automatic_conditions(
        found.judged, taxonomy=found.taxonomy, known_words=known, min_size=asked.min_size, seed=asked.seed
    )
    return named, conditions


def _report(
    asked: Request, found: JudgedRecords, place: Path | None, messages: Console, results: Console
) -> SliceReport:
    from tagnet.atomic import write_json
    from tagnet.evaluation.slices.report import slice_report
    from tagnet.evaluation.slices.view import report_tables, to_plain, write_slices_page

    named, conditions = _cut(asked, found)
    with messages.status("looking at slices"):
        report = slice_report(
            found.judged,
            conditions,
            named=named,
            finder=asked.finder,
            fdr=asked.fdr,
            min_size=asked.min_size,
            seed=asked.seed,
        )
    results.print(report_tables(report, len(found.judged.ids), everything=asked.everything))
    if place is not None:
        write_json(place / NUMBERS, to_plain(report, found.judged))
        write_slices_page(place / PAGE, report, found.judged, found.name)
        messages.print(Text(f"page  {place / PAGE}"), soft_wrap=True)
    return report


def _compare(asked: Request, found: Sequence[JudgedRecords], place: Path | None, results: Console) -> None:
    from dataclasses import replace

    from tagnet.atomic import write_json
    from tagnet.evaluation.slices.view import difference_table
    from tagnet.workflows.slice_comparison import compare_slices, in_common, plain_differences

    first, second = in_common(found[0].judged, found[1].judged)
    # Slices are cut from the first run's side: its suggestions, and the words that its training knew.
    named, conditions = _cut(asked, replace(found[0], judged=first))
    rows = compare_slices(first, second, [*named, *conditions], seed=asked.seed)
    results.print(difference_table(rows, found[0].name, found[1].name, asked.fdr, everything=asked.everything))
    if place is not None:
        write_json(place / "slices-compared.json", plain_differences(rows, found[0].name, found[1].name))


def _query(
    asked: Request, pool: str, tasks: Path, found: JudgedRecords, report: SliceReport, messages: Console
) -> None:
    from dataclasses import replace

    from tagnet.cli.label_files import choose_codec, write_batch
    from tagnet.cli.label_tasks import make_tasks
    from tagnet.evaluation.slices.nearest import like_slices
    from tagnet.labeling.labelled_rows import read_labelled_rows
    from tagnet.records.record import render, text_template

    codec = choose_codec(asked.tool, "choices", None)
    if not report.bad:
        messages.print(Text(f"no slice is bad at a false discovery rate of {asked.fdr}: no task is written"))
        return
    rows = read_labelled_rows(pool, parse_columns(asked.columns))
    features = rows.usual_features()
    texts = [render(text_template(features), record.fields) for record in rows.records(features)]
    chosen = like_slices(report.bad, found.judged.texts, texts, asked.number)
    part = replace(
        rows,
        rows=tuple(rows.rows[i] for i in chosen),
        ids=tuple(rows.ids[i] for i in chosen),
        tags=tuple(rows.tags[i] for i in chosen),
    )
    batch = make_tasks(part, found.taxonomy, None, features, asked.device, messages)
    written = write_batch(codec, batch, tasks)
    messages.print(Text(f"{len(batch.tasks)} tasks → {', '.join(map(str, written))}"), soft_wrap=True)
