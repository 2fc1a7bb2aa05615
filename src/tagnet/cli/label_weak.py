"""`tagnet label weak`: functions vote, a combiner makes targets of it, tables say what they are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from tagnet.atomic import write_json
from tagnet.cli.console import message_console, result_console, speak_to
from tagnet.cli.extras import require_extra
from tagnet.cli.label_tasks import check_features, load_tree
from tagnet.cli.predict import parse_columns
from tagnet.errors import ConfigError, LabelingError, nearest
from tagnet.labeling.labelled_rows import LabelledRows, read_labelled_rows
from tagnet.labeling.weak.combine import COMBINERS, Combined, Gold, combine, consistent
from tagnet.labeling.weak.compare import CombinerScore, compare_on_gold
from tagnet.labeling.weak.conflicts import Conflict, find_conflicts
from tagnet.labeling.weak.from_file import Setting, load_functions
from tagnet.labeling.weak.functions import Example, LabelingFunction
from tagnet.labeling.weak.statistics import FunctionStatistics, function_statistics
from tagnet.labeling.weak.votes import VoteMatrix, collect_votes
from tagnet.records.label_space import LabelSpace
from tagnet.records.parse import as_text
from tagnet.records.record import render, text_template
from tagnet.records.targets import write_targets
from tagnet.records.taxonomy import Taxonomy

_SILENT = ("combined", "unknown")
_WIDEST = 90


@dataclass(frozen=True)
class Request:
    """The command line."""

    records: str
    functions: tuple[Path, ...]
    output: Path
    gold: str | None
    combine: str
    silent: str
    taxonomy: str | None
    votes: Path | None
    report: Path | None
    features: tuple[str, ...]
    columns: tuple[str, ...]
    conflicts: int
    seed: int
    device: str


def run_weak(asked: Request) -> None:
    """Run the command."""
    require_extra("train", "label weak")
    if asked.combine not in COMBINERS:
        hint = nearest(asked.combine, COMBINERS)
        raise ConfigError(f"--combine: expected {', '.join(COMBINERS)}; found {asked.combine!r}{hint}")
    if asked.silent not in _SILENT:
        hint = nearest(asked.silent, _SILENT)
        raise ConfigError(f"--silent: expected {', '.join(_SILENT)}; found {asked.silent!r}{hint}")
    messages, results = message_console(), result_console()
    speak_to(messages)
    rows = read_labelled_rows(asked.records, parse_columns(asked.columns))
    check_features(rows, asked.features)
    tree = load_tree(asked.taxonomy)
    features = asked.features or rows.usual_features()
    own = _gold_tags(rows, asked)
    gold_tags = tuple(dict.fromkeys(tag for tags in own.values() for tag in _canonical(tags, tree)))
    functions = _functions(asked, Setting(Path(), gold_tags or None, tree, features, asked.device))
    space = LabelSpace(tuple(sorted({tag for function in functions for tag in function.tags})))
    gold = _gold(rows, own, space, tree)
    examples = _examples(rows, features)
    votes = _collect(asked, functions, examples, space, messages)
    _print_functions(results, function_statistics(votes, gold), len(examples))
    scores = _compare(asked, votes, gold, messages)
    _print_scores(results, scores, asked.combine)
    found = find_conflicts(votes, examples, gold)
    _print_conflicts(results, found, asked.conflicts)
    combined = combine(asked.combine, votes, gold, asked.seed)
    if asked.silent == "unknown":
        spoken_NK = (votes.counts(1) + votes.counts(-1) > 0) | gold.known_NK
        combined = Combined(combined.probs_NK, combined.known_NK & spoken_NK)
    if tree is not None:
        combined = consistent(combined, space.tags, tree)
    wanted = np.flatnonzero(~gold.known_NK.any(1))
    if not len(wanted):
        raise LabelingError(f"{rows.source}: expected records without gold to label, found none among {len(examples)}")
    made_by: dict[str, Any] = {
        "combiner": asked.combine,
        "records": rows.fingerprint,
        "functions": {function.name: function.version for function in functions},
        "gold_records": int(gold.known_NK.any(1).sum()),
    }
    ids = [rows.ids[place] for place in wanted]
    write_targets(asked.output, space.tags, ids, combined.probs_NK[wanted], combined.known_NK[wanted], made_by)
    if asked.report is not None:
        _write_report(asked.report, votes, gold, scores, found)
    positive = (combined.probs_NK[wanted] * combined.known_NK[wanted]).sum() / len(wanted)
    count = f"{len(wanted)} records, {len(space.tags)} tags, {positive:.1f} expected a record"
    messages.print(Text(f"{count} → {asked.output}"), soft_wrap=True)


def _functions(asked: Request, setting: Setting) -> list[LabelingFunction]:
    found = []
    for path in asked.functions:
        found.extend(load_functions(path, replace(setting, folder=path.parent)))
    return found


def _gold_tags(rows: LabelledRows, asked: Request) -> dict[int, tuple[str, ...]]:
    """Place of a record → its tags by people."""
    if asked.gold is None:
        return {place: tags for place, tags in enumerate(rows.tags) if tags}
    given = read_labelled_rows(asked.gold, parse_columns(asked.columns))
    place_of = {str(identity): place for place, identity in enumerate(rows.ids)}
    unknown = [identity for identity in given.ids if str(identity) not in place_of]
    if unknown:
        raise LabelingError(
            f"{given.source}: expected ids of {rows.source}, found {len(unknown)} others, such as {unknown[0]!r}"
        )
    return {place_of[str(identity)]: tags for identity, tags in zip(given.ids, given.tags, strict=True)}


def _canonical(tags: Sequence[str], tree: Taxonomy | None) -> Sequence[str]:
    """With the tags above them, where there is a taxonomy that knows them; others as they stand."""
    if tree is None:
        return tags
    known, unknown = tree.canonical(tags, resolve_aliases=True, add_parents=True)
    return [*known, *unknown]


def _gold(rows: LabelledRows, own: dict[int, tuple[str, ...]], space: LabelSpace, tree: Taxonomy | None) -> Gold:
    lists = [_canonical(own.get(place, ()), tree) for place in range(len(rows.ids))]
    y_NK = space.encode(lists)
    known_NK = np.zeros(y_NK.shape, dtype=bool)
    known_NK[list(own)] = True
    return Gold(y_NK, known_NK)


def _examples(rows: LabelledRows, features: Sequence[str]) -> list[Example]:
    template = text_template(features)
    hidden = {rows.schema.column(name) for name in ("id", "tags")}
    found = []
    for place, record in enumerate(rows.records(features)):
        others = {key: as_text(value) or "" for key, value in rows.rows[place].items() if key not in hidden}
        found.append(Example(record.id, {**others, **record.fields}, render(template, record.fields)))
    return found


def _collect(
    asked: Request,
    functions: Sequence[LabelingFunction],
    examples: Sequence[Example],
    space: LabelSpace,
    messages: Console,
) -> VoteMatrix:
    store = asked.votes or asked.output.with_suffix(".votes")
    asked_anew = 0
    with _progress(messages) as progress:
        task = progress.add_task("voting", total=len(functions))

        def tell(name: str, was_asked: bool) -> None:
            nonlocal asked_anew
            asked_anew += was_asked
            progress.update(task, advance=1, description=f"voting: {name}")

        votes = collect_votes(functions, examples, space.tags, store, tell)
    kept = len(functions) - asked_anew
    messages.print(
        Text(f"{len(functions)} functions, {kept} of them with votes from before in {store}"), soft_wrap=True
    )
    return votes


def _compare(asked: Request, votes: VoteMatrix, gold: Gold, messages: Console) -> list[CombinerScore]:
    if gold.known_NK.any(1).sum() < 2:
        messages.print(Text("no gold: nothing can be said about how good the targets are", style="yellow"))
        return []
    names = list(dict.fromkeys(["union", "majority", asked.combine]))
    with _progress(messages) as progress:
        task = progress.add_task("comparing on gold", total=5 * len(names))
        return compare_on_gold(votes, gold, names, asked.seed, lambda: progress.update(task, advance=1))


def _progress(messages: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal, redirect_stdout=False)


def _print_functions(results: Console, found: Sequence[FunctionStatistics], num_records: int) -> None:
    table = Table(title=f"{len(found)} functions on {num_records} records", title_justify="left")
    table.add_column("function", max_width=28, overflow="ellipsis", no_wrap=True)
    for name in ("for", "against", "overlap", "conflict", "alone"):
        table.add_column(name, justify="right")
    table.add_column("right, for (gold)", justify="right", no_wrap=True)
    table.add_column("most like", max_width=24, overflow="ellipsis", no_wrap=True)
    for row in found:
        precision = row.precision_for
        shown = "–" if precision is None else f"{precision[0]:.2f} ({precision[1]:.2f}–{precision[2]:.2f})"
        like = "–" if row.nearest is None else f"{row.redundancy:.2f} {row.nearest}"
        numbers = (row.votes_for, row.votes_against, row.overlaps, row.conflicts, row.alone_for)
        table.add_row(Text(row.function), *map(str, numbers), shown, Text(like))
    results.print(table)


def _print_scores(results: Console, scores: Sequence[CombinerScore], chosen: str) -> None:
    if not scores:
        return
    title = f"Combiners on {scores[0].num_records} gold records, each hidden from it"
    table = Table(title=title, title_justify="left")
    table.add_column("combiner")
    for name in ("macro F1", "micro F1", "mAP", "Brier"):
        table.add_column(name, justify="right")
    for row in scores:
        values = (row.f1_macro, row.f1_micro, row.mean_average_precision, row.brier)
        table.add_row(
            f"{row.combiner} (chosen)" if row.combiner == chosen else row.combiner,
            *(f"{value:.3f}" for value in values),
        )
    results.print(table)
    best = max(scores, key=lambda row: row.mean_average_precision)
    if best.combiner != chosen:
        results.print(
            Text(f"By mAP on gold, {best.combiner} is better here: --combine {best.combiner}", style="yellow")
        )


def _print_conflicts(results: Console, found: Sequence[Conflict], number: int) -> None:
    for row in found[:number]:
        said = {True: ", people: yes", False: ", people: no", None: ""}[row.gold]
        results.print(Text(f"{row.id!r}, {row.tag}{said}: {_cut(row.text)}", style="bold"), soft_wrap=True)
        results.print(Text(f"  for {', '.join(row.votes_for)}; against {', '.join(row.votes_against)}"), soft_wrap=True)
    if len(found) > number:
        results.print(Text(f"{len(found)} conflicts in all; --report FILE lists them"))


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _write_report(
    path: Path, votes: VoteMatrix, gold: Gold, scores: Sequence[CombinerScore], found: Sequence[Conflict]
) -> None:
    def plain(row: FunctionStatistics) -> dict[str, Any]:
        return asdict(row) | {"precision_for": row.precision_for}

    write_json(
        path,
        {
            "functions": [plain(row) for row in function_statistics(votes, gold)],
            "by_tag": [plain(row) for row in function_statistics(votes, gold, by_tag=True)],
            "combiners": [asdict(row) for row in scores],
            "conflicts": [asdict(row) for row in found],
        },
    )
