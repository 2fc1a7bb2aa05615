"""Labelled records with a model's predictions, from a finished run or from a bundle and records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tagnet.bundle import read_bundle
from tagnet.data.split_file import ids_of_side
from tagnet.errors import ConfigError, RunDirectoryError
from tagnet.evaluation.slices.judged import Judged
from tagnet.prediction.evaluate import labelled_records
from tagnet.prediction.tagger import Tagger
from tagnet.records.io import AS_FLAGS, load_records
from tagnet.records.record import Record, render, text_template
from tagnet.records.taxonomy import Taxonomy
from tagnet.training.run_directory import FINISHED
from tagnet.workflows.finished_run import FinishedRun, read_finished_run


@dataclass(frozen=True, eq=False)
class JudgedRecords:
    """What a model was judged on, and what it was trained on."""

    name: str
    judged: Judged
    taxonomy: Taxonomy | None
    training_texts: tuple[str, ...] | None
    """None: a bundle does not know them."""


def is_run(folder: Path) -> bool:
    """Whether a folder is a finished run's."""
    return (folder / FINISHED).is_file()


def judged_records(
    folder: Path,
    records: str | None,
    columns: Mapping[str, str],
    *,
    side: Literal["val", "test"] = "test",
    device: str = "auto",
    option: str = "--records",
) -> JudgedRecords:
    """The records of a finished run's side, or a bundle's predictions for labelled records.

    Args:
        folder: a run or a bundle.
        records: of a run: where its records are now, when they are no longer where they were; of a bundle: labelled
            ones that it was not trained on.
        columns: our field name → the column's name.
        side: of a run.
        device: where a bundle predicts.
        option: of the command line, that says where a run's records are.

    Raises:
        ConfigError: a bundle without records.
        RunDirectoryError: the run's records are not among those that are read.
    """
    if is_run(folder):
        return _of_run(read_finished_run(folder, side), records, columns, option)
    if records is None:
        raise ConfigError(f"--records: expected labelled records to judge the bundle {folder} by, found none")
    tagger = Tagger.load(folder, device)
    features = tagger.bundle.text.features
    loaded = load_records(records, columns, "error", features, hints=AS_FLAGS).records
    labelled, y_NK = labelled_records(tagger.bundle, loaded)
    probs_NK = tagger.probabilities(labelled)
    accepted_NK = tagger.bundle.rule.accept(probs_NK)
    judged = _judged(tagger.tags, labelled, features, y_NK, probs_NK, accepted_NK)
    return JudgedRecords(folder.resolve().name, judged, tagger.bundle.taxonomy, None)


def _records_of_run(config: Mapping[str, Any], records: str | None, columns: Mapping[str, str]) -> dict[str, Record]:
    """Id, as text → record, of what a run was made from."""
    data = config["data"]
    source = str(data["records"]) if records is None else records
    asked = dict(data["columns"]) if not columns else dict(columns)
    loaded = load_records(source, asked, "skip", tuple(data["features"]), hints=AS_FLAGS)
    return {str(record.id): record for record in loaded.records}


def _of_run(run: FinishedRun, records: str | None, columns: Mapping[str, str], option: str) -> JudgedRecords:
    by_id = _records_of_run(run.config, records, columns)
    missing = [identity for identity in run.ids if identity not in by_id]
    if missing:
        raise RunDirectoryError(
            f"{run.folder}: {len(missing)} of its {len(run.ids)} {run.side} records, such as {missing[0]}, are not in "
            f"{records or run.config['data']['records']}; name the file that holds them with {option}"
        )
    found = [by_id[identity] for identity in run.ids]
    judged = _judged(run.rule.tags, found, run.features, run.y_NK, run.probs_NK, run.accepted_NK)
    template = text_template(run.features)
    learned = ids_of_side(run.folder / "split.json", None, "train")
    texts = tuple(render(template, record.fields) for identity, record in by_id.items() if identity in learned)
    return JudgedRecords(run.name, judged, read_bundle(run.folder / "bundle").taxonomy, texts)


def _judged(
    tags: Sequence[str],
    records: Sequence[Record],
    features: Sequence[str],
    y_NK: NDArray[np.uint8],
    probs_NK: NDArray[np.float64],
    accepted_NK: NDArray[np.bool_],
) -> Judged:
    template = text_template(features)
    return Judged(
        tuple(tags),
        tuple(record.id for record in records),
        tuple(render(template, record.fields) for record in records),
        tuple(record.fields for record in records),
        tuple(record.created_on for record in records),
        y_NK,
        probs_NK,
        accepted_NK,
    )
