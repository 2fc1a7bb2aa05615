"""The start of a labelling loop: which records train, which judge all rounds alike, and which wait.

What judges is chosen here, from records that somebody had labelled before, and no answer to a query ever joins it: what
a strategy asks for is no fair sample. The tags that are learned are chosen here, too, so that means over tags are means
over the same ones in all rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tagnet.atomic import write_text
from tagnet.config import TrainConfig
from tagnet.data.duplicates import duplicate_groups
from tagnet.data.prepare import compared_texts, prepare
from tagnet.data.split_file import ids_of_side
from tagnet.errors import DataError, LabelingError
from tagnet.labeling.labelled_rows import LabelledRows, read_labelled_rows, render_version
from tagnet.records.record import Record, RecordId
from tagnet.records.rows import TextRow
from tagnet.records.sources import resolve_records, resolve_split_file
from tagnet.workflows.loop_files import LoopFiles, file_hash, read_step, step
from tagnet.workflows.loop_plan import LoopPlan, check_unchanged_source

FIXED = 500
"""Records that wait, at most, on which successive rounds are held against each other."""
_SIDES = ("val", "test")


@dataclass(frozen=True)
class Start:
    """What a loop starts from."""

    suffix: str
    """Of its files of records: .json, or .csv where the records came as a table."""
    tags: tuple[str, ...]
    """The K tags that are learned."""
    train: tuple[RecordId, ...]
    val: tuple[RecordId, ...]
    test: tuple[RecordId, ...]
    pool: tuple[RecordId, ...]
    """They wait for labels."""
    fixed: tuple[RecordId, ...]
    """Some of them, drawn at random: what every round decides of them shows whether decisions stand still."""
    twins: int
    """Records without tags that are left out, for a record that judges has nearly the same text."""
    without_text: int
    """Records without tags that are left out, for there is nothing to read."""


def begin(files: LoopFiles, plan: LoopPlan) -> Start:
    """The start, made now or read back.

    Raises:
        LabelingError: no record is labelled, or none waits; or the records changed since.
        TagnetError: records, evaluation file or settings cannot be used.
    """
    if files.start.is_file():
        found = read_step(files.start)
        source = _source(plan.records)
        if source is not None:
            check_unchanged_source(plan, source, found["inputs"].get("the records", ""), file_hash(source))
    else:
        rows = read_labelled_rows(plan.records, plan.config.data.columns)
        found = step(files.start, {"the records": rows.fingerprint}, lambda: _make(files, plan, rows))
    try:
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in found.items()
        }
        values.pop("inputs")
        return Start(**values)
    except TypeError as fault:
        raise LabelingError(f"{files.start}: expected the start of a labelling loop ({fault})") from fault


def _source(name: str) -> Path | None:
    """The file that the records came from; None where it is gone: the loop has its own versions."""
    try:
        path = resolve_records(name)
    except DataError:
        return None
    return path if path.is_file() else None


def _make(files: LoopFiles, plan: LoopPlan, rows: LabelledRows) -> dict[str, Any]:
    config = plan.config
    suffix = ".csv" if isinstance(rows.rows[0], TextRow) else ".json"
    features = config.data.features
    labelled = [place for place, tags in enumerate(rows.tags) if tags]
    has_text = [any(value.strip() for value in rows.fields(place, features).values()) for place in range(len(rows.ids))]
    waiting = [place for place, tags in enumerate(rows.tags) if not tags and has_text[place]]
    if not labelled or not waiting:
        lacking, found = ("with tags", "all lack them") if not labelled else ("without tags", "none waits")
        raise LabelingError(
            f"{rows.source}: expected some records with tags, to start from, and some without, to ask about; found "
            f"none {lacking}, {found}\nRecords whose text fields {', '.join(features)} are empty do not count."
        )
    path = files.folder / f"labelled{suffix}"
    write_text(path, render_version(take(rows, labelled), {}, path))
    prepared = prepare(
        replace(
            config,
            data=replace(config.data, records=str(path)),
            labels=replace(config.labels, untagged="negative"),
        )
    )
    sides = {name: [prepared.corpus.records[row].id for row in index] for name, index in prepared.split.sides().items()}
    if plan.evaluation is not None:
        sides = _given_sides(plan.evaluation, [record.id for record in prepared.corpus.records])
    judges = {str(each) for side in _SIDES for each in sides[side]}
    twins = _twins(rows, config, judges) & {str(rows.ids[place]) for place in waiting}
    pool = [rows.ids[place] for place in waiting if str(rows.ids[place]) not in twins]
    if not pool:
        raise LabelingError(f"{rows.source}: expected records that wait, found only twins of those that judge")
    drawn = np.random.default_rng(config.run.seed).permutation(len(pool))[:FIXED]
    versions = files.version(0, suffix)
    write_text(versions, render_version(rows, {}, versions))
    return {
        "suffix": suffix,
        "tags": list(prepared.corpus.label_space.tags),
        **sides,
        "pool": pool,
        "fixed": [pool[row] for row in sorted(drawn.tolist())],
        "twins": len(twins),
        "without_text": sum(not tags and not text for tags, text in zip(rows.tags, has_text, strict=True)),
    }


def take(rows: LabelledRows, places: Sequence[int]) -> LabelledRows:
    """Some of the rows, in this order."""
    return replace(
        rows,
        rows=tuple(rows.rows[place] for place in places),
        ids=tuple(rows.ids[place] for place in places),
        tags=tuple(rows.tags[place] for place in places),
    )


def _given_sides(evaluation: str, labelled: Sequence[RecordId]) -> dict[str, list[RecordId]]:
    """The sides of a split file; all labelled records that it does not let judge train."""
    path = resolve_split_file(evaluation)
    named = {side: ids_of_side(path, None, side) for side in _SIDES}
    known = {str(each) for each in labelled}
    for side, ids in named.items():
        strange = sorted(ids - known)
        if strange or not ids:
            found = f"{len(strange)} of others, such as {strange[0]!r}" if strange else "none"
            raise LabelingError(f"{path}: {side}: expected ids of records with tags, found {found}")
    both = sorted(named["val"] & named["test"])
    if both:
        raise LabelingError(f"{path}: expected each id on one side, found {both[0]!r} in val and test")
    sides = {side: [each for each in labelled if str(each) in ids] for side, ids in named.items()}
    train = [each for each in labelled if not any(str(each) in ids for ids in named.values())]
    if not train:
        raise LabelingError(f"{path}: expected some labelled records to train on, found none: all of them judge")
    return {"train": train, **sides}


def _twins(rows: LabelledRows, config: TrainConfig, judges: set[str]) -> set[str]:
    """The records whose text is nearly that of one that judges."""
    names = tuple(dict.fromkeys([*config.data.features, *rows.usual_features()]))
    records = [Record(identity, rows.fields(place, names), (), None) for place, identity in enumerate(rows.ids)]
    groups = duplicate_groups(compared_texts(records, config.data.features), config.split.duplicate_similarity)
    taken = {int(groups[place]) for place, identity in enumerate(rows.ids) if str(identity) in judges}
    return {str(identity) for place, identity in enumerate(rows.ids) if int(groups[place]) in taken}
