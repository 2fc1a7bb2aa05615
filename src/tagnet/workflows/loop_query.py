"""Steps 2 and 3 of a round: choose what to ask, and take it to where people answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from tagnet.errors import LabelingError
from tagnet.labeling.labelled_rows import LabelledRows, read_labelled_rows
from tagnet.labeling.query.choose import choose
from tagnet.labeling.query.predicted import predicted_pool
from tagnet.labeling.query.reasons import record_reasons
from tagnet.labeling.query.strategies import parse_strategy
from tagnet.labeling.suggestions import model_version, suggest
from tagnet.labeling.tasks import TaskBatch, make_batch
from tagnet.prediction.tagger import Tagger
from tagnet.records.record import RecordId
from tagnet.records.sources import resolve_taxonomy
from tagnet.records.taxonomy import Taxonomy, load_taxonomy
from tagnet.workflows.loop_files import LoopFiles, RoundFiles, digest, step
from tagnet.workflows.loop_plan import LoopPlan
from tagnet.workflows.loop_start import Start, take
from tagnet.workflows.loop_training import Trained


def query(
    files: LoopFiles,
    plan: LoopPlan,
    start: Start,
    trained: Trained,
    labelled: Collection[str],
    spent: Collection[str],
    size: int,
    progress: Callable[[int, int], object] | None = None,
) -> dict[str, Any]:
    """Choose what to ask, or read back what was chosen: what `tagnet label query` writes as the file beside a batch.

    Args:
        files: of the loop.
        plan: its settings.
        start: what waits.
        trained: the round's model.
        labelled: ids, as text, of what it learned from.
        spent: ids, as text, of what was answered already, or skipped.
        size: how many to ask.
        progress: called with the records that the model has judged, and all.

    Raises:
        TagnetError: the strategy lacks something, or inputs of the step changed.
    """
    place = files.round(trained.number, start.suffix)
    inputs = {"the model": trained.bundle, "what was asked before": digest(sorted(spent))}
    return step(
        place.step("query"),
        inputs,
        lambda: _choose(files, place, plan, start, trained, labelled, spent, size, progress),
    )


def waiting(start: Start, spent: Collection[str]) -> list[RecordId]:
    """What can still be asked."""
    return [each for each in start.pool if str(each) not in spent]


def asked_ids(found: dict[str, Any]) -> list[str]:
    """The ids, as text, that a query asks, the most wanted first."""
    return [str(each["id"]) for each in found["asked"]]


def _choose(
    files: LoopFiles,
    place: RoundFiles,
    plan: LoopPlan,
    start: Start,
    trained: Trained,
    labelled: Collection[str],
    spent: Collection[str],
    size: int,
    progress: Callable[[int, int], object] | None,
) -> dict[str, Any]:
    config, number = plan.config, trained.number
    tagger = Tagger.load(place.run / "bundle", config.trainer.accelerator)
    if model_version(place.run / "bundle") != trained.bundle:
        raise LabelingError(f"{place.run / 'bundle'}: expected the bundle that the round trained, found another one")
    rows = read_labelled_rows(str(files.version(number, start.suffix)), config.data.columns)
    pool = waiting(start, spent)
    waits = {str(each) for each in pool}
    open_rows = take(rows, [row for row, each in enumerate(rows.ids) if str(each) in waits])
    known_rows = take(rows, [row for row, each in enumerate(rows.ids) if str(each) in labelled])
    read = tagger.bundle.text.features
    strategy = parse_strategy(plan.strategy)
    # Another seed in every round, so that equals do not come in the same order again.
    seed = config.run.seed + number
    found = predicted_pool(
        tagger,
        open_rows.records(read),
        strategy.needs,
        labelled=known_rows.records(read),
        dropout_passes=plan.dropout_passes if "members_ENK" in strategy.needs else 0,
        seed=seed,
        progress=None if progress is None else lambda done: progress(done, len(pool)),
    )
    chosen = choose(plan.strategy, found, size, seed, plan.random_share)
    return {
        "strategy": plan.strategy,
        "seed": seed,
        "random_share": plan.random_share,
        "bundle": trained.bundle,
        "pool": {"source": str(files.version(number, start.suffix).name), "records": len(pool)},
        "cells": False,
        "asked": record_reasons(plan.strategy, found, chosen, open_rows.ids, tagger.tags),
    }


def load_tree(plan: LoopPlan) -> Taxonomy | None:
    """The taxonomy of the loop, where it has one."""
    source = plan.config.data.taxonomy
    return None if source is None else load_taxonomy(resolve_taxonomy(source))


def make_tasks(files: LoopFiles, plan: LoopPlan, start: Start, number: int, ids: Sequence[str]) -> TaskBatch:
    """The tasks of a round, in the order of the file: whoever labels does not see what was drawn at random.

    All tags of labelled records can be chosen, also those that are too scarce to be learned.
    """
    rows = read_labelled_rows(str(files.version(number, start.suffix)), plan.config.data.columns)
    wanted = set(ids)
    records = take(rows, [row for row, each in enumerate(rows.ids) if str(each) in wanted])
    tree = load_tree(plan)
    others = tree.tags if tree is not None else ()
    parents = {tag: above[0] for tag in others if tree is not None and (above := tree.parents_of(tag))}
    features = plan.config.data.features
    shown = records.records(features)
    suggested = None
    if plan.suggest:
        bundle = files.round(number, start.suffix).run / "bundle"
        suggested = suggest(Tagger.load(bundle, plan.config.trainer.accelerator), shown)
    return make_batch(
        shown, features, suggested=suggested, declared=[*start.tags, *others, *_all_tags(rows)], parents=parents
    )


def _all_tags(rows: LabelledRows) -> list[str]:
    return sorted({tag for tags in rows.tags for tag in tags})
