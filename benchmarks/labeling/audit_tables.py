"""The tables of docs/label_audit.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.labeling.audit_results import read_results
from benchmarks.quality.paired_table import gain
from benchmarks.quality.runs import show
from tagnet.evaluation.repeats import mean_of_repeats
from tagnet.evaluation.table_parts import new_table

KINDS = {"both": "in one list", "spurious": "spurious", "missing": "missing"}
DEFAULT = ("both", "probability")
_MEASURED = {
    ("both", "probability"): "tagnet: the default",
    ("both", "cleanlab"): "cleanlab on the default's probabilities",
    ("tfidf", "probability"): "tagnet: --learner tfidf",
    ("cleanlab, embeddings", "cleanlab"): "cleanlab as documented, on embeddings",
    ("cleanlab, tfidf", "cleanlab"): "cleanlab as documented, on TF-IDF",
}
_NAMES = {"protocol_b": "protocol B", "untagged": "its tags, all records"}
_READ = "Protocol B, nothing flipped. Judged by title and description, and what is known of the project."
_SHARE = "Seeds: {}. Means with 95% intervals where there are several; the last column is paired, seed by seed."


def print_tables(verdicts: Sequence[Mapping[str, Any]], *, markdown: bool) -> None:
    """Print what was measured, chosen and read."""
    results = read_results()
    for corpus, name in _NAMES.items():
        measured = _whole([each for each in results if each["part"] == "run" and each["corpus"] == corpus])
        if measured:
            one = measured[0]
            seeds = len({each["seed"] for each in measured})
            note = (
                f"{one['records']:,} records, {one['tags']} tags, {one['flips']:,} cells flipped. The share of the "
                f"first 200 cells of each list that were. {_SHARE.format(seeds)}"
            )
            show(f"Flips among the first 200, {name}", _measured(measured), note, markdown=markdown)
            print()
    chosen = [each for each in results if each["part"] == "choose"]
    if chosen:
        seeds = len({each["seed"] for each in chosen})
        show(
            "What was tried",
            _chosen(chosen),
            f"Protocol B, seeds of its own. {_SHARE.format(seeds)}",
            markdown=markdown,
        )
        print()
    if verdicts:
        show("Read", _counts(verdicts), _READ, markdown=markdown)
        print()
        note = "A verdict speaks of the label as it is: a wrong one should be the other one."
        show("The 50 that were read", _verdicts(verdicts), note, markdown=markdown)


def _whole(results: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The results of seeds that have all of them: a benchmark may have been stopped."""
    seeds = [each["seed"] for each in results]
    most = max(map(seeds.count, seeds), default=0)
    return [each for each in results if seeds.count(each["seed"]) == most]


def _measured(results: Sequence[Mapping[str, Any]]) -> Table:
    return _table(results, _MEASURED, "the default is better by")


def _chosen(results: Sequence[Mapping[str, Any]]) -> Table:
    places = dict.fromkeys((each["learner"], each["ranker"]) for each in results)
    rows = {place: f"{place[0]}; {place[1]}" for place in sorted(places, key=lambda one: (one != DEFAULT, one))}
    return _table(results, rows, "the default is better by")


def _table(results: Sequence[Mapping[str, Any]], rows: Mapping[tuple[str, str], str], last: str) -> Table:
    shown = new_table()
    for column in ("", *KINDS.values(), last):
        shown.add_column(column)
    base = {each["seed"]: each for each in results if (each["learner"], each["ranker"]) == DEFAULT}
    for place, name in rows.items():
        mine = [each for each in results if (each["learner"], each["ranker"]) == place]
        if not mine:
            continue
        cells = []
        for kind in KINDS:
            mean = mean_of_repeats([each[kind] for each in mine], 0.0)
            interval = f" ({mean.low:.3f} to {mean.high:.3f})" if len(mine) > 1 else ""
            cells.append(f"{mean.value:.3f}{interval}")
        gains = [base[each["seed"]]["both"] - each["both"] for each in mine]
        shown.add_row(name, *cells, "" if place == DEFAULT else gain(gains, 0.0))
    return shown


def _counts(verdicts: Sequence[Mapping[str, Any]]) -> Table:
    shown = new_table()
    for column in ("list", "read", "the label is wrong", "right", "cannot say"):
        shown.add_column(column)
    for name in dict.fromkeys(each["list"] for each in verdicts):
        said = [each["verdict"] for each in verdicts if each["list"] == name]
        counts = [str(int(np.sum([one == word for one in said]))) for word in ("wrong", "right", "unclear")]
        shown.add_row(name, str(len(said)), *counts)
    return shown


def _verdicts(verdicts: Sequence[Mapping[str, Any]]) -> Table:
    shown = new_table()
    for column in ("", "project", "tag", "suspect", "p", "the label is", "why"):
        shown.add_column(column)
    for each in verdicts:
        # A bar in a title would end a cell of Markdown.
        title, suspect = each["title"].replace("|", "/"), each["list"].rpartition(" ")[2]
        place = (str(each["rank"]), title, each["tag"], suspect, f"{each['p']:.3f}")
        shown.add_row(*place, each["verdict"], each["why"])
    return shown
