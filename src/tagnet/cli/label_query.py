"""`tagnet label query`: what to label next, chosen by a bundle's probabilities, and taken to a labelling tool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from tagnet.atomic import write_json
from tagnet.cli.console import message_console, speak_to
from tagnet.cli.label_files import choose_codec, write_batch
from tagnet.cli.label_server import Server, push_batch
from tagnet.cli.label_tasks import check_control, check_features, load_tree, make_tasks
from tagnet.cli.predict import parse_columns
from tagnet.errors import ConfigError, LabelingError
from tagnet.labeling.labelled_rows import LabelledRows, read_labelled_rows
from tagnet.labeling.query.choose import choose, choose_cells
from tagnet.labeling.query.pool import Bools, Pool
from tagnet.labeling.query.predicted import predicted_pool
from tagnet.labeling.query.reasons import cell_reasons, record_reasons
from tagnet.labeling.query.strategies import DEFAULT_STRATEGY, Strategy, parse_strategy
from tagnet.labeling.suggestions import model_version
from tagnet.labeling.tasks import ShownTag, TaskBatch, make_batch
from tagnet.prediction.device import choose_device
from tagnet.prediction.tagger import Tagger
from tagnet.records.json_files import read_json
from tagnet.records.record import Record

_CELLS_STRATEGY = "gain_scarce"


@dataclass(frozen=True)
class Query:
    """What is asked for, as the command line says it."""

    records: str
    bundle: Path
    strategy: str | None
    batch_size: int
    random_share: float
    seed: int
    cells: bool
    labelled: str | None
    asked: tuple[Path, ...]
    members: tuple[Path, ...]
    dropout_passes: int
    columns: tuple[str, ...]
    device: str

    @property
    def parsed(self) -> Strategy:
        """The strategy; the default for cells is the default's scores, for diversity spreads whole records."""
        return parse_strategy(self.strategy or (_CELLS_STRATEGY if self.cells else DEFAULT_STRATEGY))


@dataclass(frozen=True)
class Target:
    """Where the batch goes: to a tool's file, or to a server."""

    tool: str | None
    output: Path | None
    project: str | None
    url: str
    token_file: Path | None
    why: Path | None
    control: str

    @property
    def reasons(self) -> Path:
        """Where scores and reasons go.

        Raises:
            ConfigError: the options name no target, or two, or no place for the reasons.
        """
        if (self.tool is None) == (self.project is None) or (self.tool is None) != (self.output is None):
            raise ConfigError("expected --tool TOOL --output FILE, or --project TITLE; found neither, or parts of both")
        if self.why is not None:
            return self.why
        if self.output is None:
            raise ConfigError("--why: expected the name of a file for scores and reasons beside --project, found none")
        return self.output.with_name(f"{self.output.name}.query.json")


def run_query(query: Query, target: Target, *, taxonomy: str | None, features: Sequence[str]) -> None:
    """Run the command."""
    reasons_path, strategy = target.reasons, query.parsed
    codec = None if target.tool is None else choose_codec(target.tool, target.control, None)
    control = check_control(target.control)
    server = None if target.project is None else Server(target.url, target.project, target.token_file)
    connection = None if server is None else server.connect()
    if "members_ENK" in strategy.needs and len(query.members) + query.dropout_passes < 1:
        raise ConfigError(
            f"--strategy {strategy.name}: expected an ensemble, found one bundle alone\n"
            "Add --member BUNDLE of another seed, or --dropout-passes 10."
        )
    if reasons_path.exists():
        raise LabelingError(
            f"{reasons_path}: expected the name of a new file, found one that is there\n"
            "It says what was asked before: hand it over with --asked, and choose another --output or --why."
        )
    messages = message_console()
    speak_to(messages)
    rows = read_labelled_rows(query.records, parse_columns(query.columns))
    check_features(rows, features)
    tree = load_tree(taxonomy)
    tagger = Tagger.load(query.bundle, query.device)
    rows = without_labelled(rows, query)
    pool = _pool(rows, tagger, strategy, query, messages)
    why: dict[str, Any] = {
        "strategy": strategy.name,
        "seed": query.seed,
        "random_share": query.random_share,
        "bundle": model_version(query.bundle),
        "pool": {"source": rows.source, "fingerprint": rows.fingerprint, "records": pool.num_records},
        "cells": query.cells,
    }
    if query.cells:
        cells = choose_cells(strategy.name, pool, query.batch_size, query.seed, query.random_share)
        why["asked"] = cell_reasons(strategy.name, pool, cells, rows.ids, tagger.tags)
        batch = _cells_batch(rows, why["asked"], tagger, features, why["bundle"])
    else:
        chosen = choose(strategy.name, pool, query.batch_size, query.seed, query.random_share)
        why["asked"] = record_reasons(strategy.name, pool, chosen, rows.ids, tagger.tags)
        batch = None
        if len(chosen):
            batch = make_tasks(_take(rows, chosen.positions), tree, query.bundle, features, query.device, messages)
    if batch is None or not batch.tasks:
        raise LabelingError(
            f"{rows.source}: expected records that wait for labels, found none: all are labelled or were asked"
        )
    if codec is not None and target.output is not None:
        place = ", ".join(map(str, write_batch(codec, batch, target.output)))
    elif server is not None and connection is not None:
        push_batch(server, connection, batch, control, messages)
        place = f"project {server.project!r}"
    write_json(reasons_path, why)
    asked = len(why["asked"])
    fair = sum(each["random"] for each in why["asked"])
    what = f"{asked} cells of {len(batch.tasks)} records" if query.cells else f"{asked} records"
    said = f"{what} of {pool.num_records} that wait, by {strategy.name}, {fair} of them at random → {place}"
    messages.print(Text(said), soft_wrap=True)
    messages.print(Text(f"scores and reasons → {reasons_path}"), soft_wrap=True)


def without_labelled(rows: LabelledRows, query: Query) -> LabelledRows:
    """The rows that are not among the labelled ones."""
    if query.labelled is None:
        return rows
    labelled = {str(each) for each in read_labelled_rows(query.labelled, parse_columns(query.columns)).ids}
    return _take(rows, [place for place, each in enumerate(rows.ids) if str(each) not in labelled])


def known_cells(rows: LabelledRows, tags: Sequence[str], paths: Sequence[Path]) -> Bools | None:
    """The cells that earlier queries asked; of a query of records all cells of each.

    Raises:
        LabelingError: a file is not what a query wrote.
    """
    if not paths:
        return None
    place_of = {str(identity): place for place, identity in enumerate(rows.ids)}
    column_of = {tag: k for k, tag in enumerate(tags)}
    known_NK = np.zeros((len(rows.ids), len(tags)), dtype=bool)
    for path in paths:
        found = read_json(path, "the JSON of a query", LabelingError)
        try:
            for each in found["asked"]:
                place = place_of.get(str(each["id"]))
                column = column_of.get(each["tag"]) if found["cells"] else slice(None)
                if place is not None and column is not None:
                    known_NK[place, column] = True
        except (KeyError, TypeError) as error:
            raise LabelingError(f"{path}: expected the JSON that a query wrote, found another ({error})") from error
    return known_NK


def _pool(rows: LabelledRows, tagger: Tagger, strategy: Strategy, query: Query, messages: Console) -> Pool:
    read = tagger.bundle.text.features
    labelled = None
    if query.labelled is not None:
        labelled = read_labelled_rows(query.labelled, parse_columns(query.columns)).records(read)
    members = [_member(path, tagger, query.device) for path in query.members]
    known_NK = known_cells(rows, tagger.tags, query.asked)
    records = rows.records(read) if rows.ids else []
    with Progress(
        console=messages, transient=True, disable=not messages.is_terminal, redirect_stdout=False
    ) as progress:
        task = progress.add_task("predicting", total=len(records))
        return predicted_pool(
            tagger,
            records,
            strategy.needs,
            labelled=labelled,
            members=members,
            dropout_passes=query.dropout_passes,
            seed=query.seed,
            known_NK=known_NK,
            progress=lambda done: progress.update(task, completed=done),
        )


def _member(path: Path, tagger: Tagger, device: str) -> Tagger:
    if path.suffix != ".ckpt":
        return Tagger.load(path, device)
    from tagnet.training.checkpoint_network import checkpoint_network

    return Tagger(tagger.bundle, choose_device(device), checkpoint_network(tagger.bundle, path))


def _take(rows: LabelledRows, places: Sequence[int] | np.ndarray[Any, Any]) -> LabelledRows:
    """Some of the rows, in this order."""
    return replace(
        rows,
        rows=tuple(rows.rows[place] for place in places),
        ids=tuple(rows.ids[place] for place in places),
        tags=tuple(rows.tags[place] for place in places),
    )


def _cells_batch(
    rows: LabelledRows, asked: Sequence[dict[str, Any]], tagger: Tagger, features: Sequence[str], version: str
) -> TaskBatch:
    """One task a record, in which the asked tags alone are ticked: whoever answers takes away the wrong ones."""
    shown: dict[str, list[ShownTag]] = {}
    for each in asked:
        tag = ShownTag(each["tag"], "model", version, each["probability"])
        shown.setdefault(str(each["id"]), []).append(tag)
    place_of = {str(identity): place for place, identity in enumerate(rows.ids)}
    taken = _take(rows, [place_of[name] for name in shown])
    fields = tuple(features) or tagger.bundle.text.features
    records = [Record(each.id, each.fields, (), None) for each in taken.records(fields)] if taken.ids else []
    return make_batch(records, fields, suggested=list(shown.values()), declared=tagger.tags)
