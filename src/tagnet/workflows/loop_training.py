"""Step 1 of a round: train on what is labelled, and measure.

Legend: V validation records, K tags, F records on which rounds are held against each other.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from tagnet.atomic import write_json, write_text
from tagnet.config import IterativeSplitConfig, TrainConfig
from tagnet.errors import RunDirectoryError
from tagnet.evaluation.intervals import Estimate, bootstrap
from tagnet.evaluation.metrics import HEADLINE_KEYS
from tagnet.labeling.labelled_rows import LabelledRows, read_labelled_rows, render_version
from tagnet.labeling.suggestions import model_version
from tagnet.prediction.tagger import Tagger
from tagnet.training.fit import fit
from tagnet.training.objective import cross_fit
from tagnet.training.run_directory import FINISHED, has_settings
from tagnet.workflows.finished_run import read_finished_run
from tagnet.workflows.loop_files import LoopFiles, RoundFiles, digest, step
from tagnet.workflows.loop_plan import LoopPlan
from tagnet.workflows.loop_start import Start, take

_MORE_THAN_ANY = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Trained:
    """One round's model, and how good it is."""

    number: int
    """Of the round, from 0."""
    labelled: int
    """Records that it learned from."""
    bundle: str
    """The version of its bundle."""
    val: Mapping[str, Estimate]
    """Metric → value and interval on validation records, each decided by a rule that was fitted on the others."""
    test: Mapping[str, Estimate]
    """The same on test records, for the reader: nothing is decided by it. Empty where `run.test=false`."""
    decisions_FK: NDArray[np.bool_]
    """What it decides of the fixed records."""


def train(
    files: LoopFiles,
    plan: LoopPlan,
    start: Start,
    number: int,
    version: str,
    labelled: Collection[str],
    console: Console | None,
) -> Trained:
    """Train a round's model, or read back what it came to.

    Args:
        files: of the loop.
        plan: its settings.
        start: what judges, and the tags.
        number: of the round; its records are the version of that number.
        version: the fingerprint of that version.
        labelled: ids, as text, of the records to learn from.
        console: where a progress bar is drawn.

    Raises:
        TagnetError: the run cannot be made, or inputs of the step changed.
    """
    place = files.round(number, start.suffix)
    inputs = {
        f"the records of round {number}": version,
        "what is labelled": digest(sorted(labelled)),
        "the settings": digest(plan.to_plain()["training"]),
    }
    found = step(
        place.step("trained"), inputs, lambda: _train(files, place, plan.config, start, number, labelled, console)
    )
    column = {tag: k for k, tag in enumerate(start.tags)}
    decisions_FK = np.zeros((len(start.fixed), len(start.tags)), dtype=bool)
    for row, accepted in enumerate(found["decisions"]):
        decisions_FK[row, [column[tag] for tag in accepted]] = True
    return Trained(
        number, found["labelled"], found["bundle"], _estimates(found["val"]), _estimates(found["test"]), decisions_FK
    )


def round_config(config: TrainConfig, start: Start, place: RoundFiles) -> TrainConfig:
    """The settings of a round's run: the loop's own, with records, split, label space and folder of the round.

    A labelled record without any of the tags is one that truly has none of them: whoever labelled it was asked for all.
    """
    split = config.split
    return replace(
        config,
        data=replace(config.data, records=str(place.records.resolve())),
        labels=replace(config.labels, min_count=_MORE_THAN_ANY, include=start.tags, untagged="negative"),
        split=IterativeSplitConfig(
            file=str(place.split.resolve()),
            key=None,
            val_fraction=split.val_fraction,
            duplicate_similarity=split.duplicate_similarity,
            test_fraction=getattr(split, "test_fraction", split.val_fraction),
            name="iterative",
        ),
        run=replace(config.run, dir=str(place.run.resolve())),
    )


def _train(
    files: LoopFiles,
    place: RoundFiles,
    config: TrainConfig,
    start: Start,
    number: int,
    labelled: Collection[str],
    console: Console | None,
) -> dict[str, Any]:
    rows = read_labelled_rows(str(files.version(number, start.suffix)), config.data.columns)
    _write_inputs(place, rows, start, labelled)
    config = round_config(config, start, place)
    if not (place.run / FINISHED).is_file():
        fit(config, console=console)
    elif not has_settings(place.run, config):
        raise RunDirectoryError(
            f"{place.run}: expected the run of round {number}, found a finished one of other settings; take it away."
        )
    tagger = Tagger.load(place.run / "bundle", config.trainer.accelerator)
    test = json.loads((place.run / FINISHED).read_text(encoding="utf-8")).get("test", {})
    return {
        "labelled": len(labelled),
        "bundle": model_version(place.run / "bundle"),
        "val": {name: each.to_plain() for name, each in _validated(place, config).items() if name in HEADLINE_KEYS},
        "test": {name: test[name] for name in HEADLINE_KEYS if name in test},
        "decisions": _decisions(tagger, rows, start),
    }


def _write_inputs(place: RoundFiles, rows: LabelledRows, start: Start, labelled: Collection[str]) -> None:
    """The round's records and split."""
    sides: dict[str, list[Any]] = {"train": [], "val": [], "test": []}
    judges = {str(each): side for side in ("val", "test") for each in getattr(start, side)}
    kept = []
    for row, identity in enumerate(rows.ids):
        side = judges.get(str(identity)) or ("train" if str(identity) in labelled else None)
        if side is not None:
            sides[side].append(identity)
            kept.append(row)
    write_text(place.records, render_version(take(rows, kept), {}, place.records))
    write_json(place.split, sides)


def _validated(place: RoundFiles, config: TrainConfig) -> Mapping[str, Estimate]:
    """Every metric on validation records, with its interval."""
    run = read_finished_run(place.run, "val")
    probs_VK, accepted_VK = cross_fit(config, run.rule.tags, run.logits_NK, run.y_NK)
    evaluation = config.evaluation
    return bootstrap(
        probs_VK,
        run.y_NK,
        accepted_VK,
        samples=evaluation.bootstrap_samples,
        confidence=evaluation.confidence,
        seed=config.run.seed,
        at_k=evaluation.at_k,
    ).overall


def _decisions(tagger: Tagger, rows: LabelledRows, start: Start) -> list[list[str]]:
    """The tags that a bundle gives each of the fixed records."""
    wanted = {str(each) for each in start.fixed}
    fixed = take(rows, [row for row, identity in enumerate(rows.ids) if str(identity) in wanted])
    probs_FK = tagger.probabilities(fixed.records(tagger.bundle.text.features))
    accepted_FK = tagger.bundle.rule.accept(probs_FK)
    return [[tagger.tags[k] for k in np.flatnonzero(accepted_K)] for accepted_K in accepted_FK]


def _estimates(plain: Mapping[str, Mapping[str, float]]) -> dict[str, Estimate]:
    return {name: Estimate(**each) for name, each in plain.items()}
