"""Cross-validation: every record is once, with every seed, on the test side of a run that did not train on it.

A cross-validation is a grid over folds and seeds, in the folder of a sweep (`study_files`); here its runs are put
together again. Shapes: N records, K tags.

FOLDER/
  out_of_fold.parquet   a row a record and seed: fold, logits, calibrated probabilities, decisions, labels
  crossval.json         every metric: its mean over the runs, an interval, and the runs' values; baselines likewise
  per_tag.csv           every tag, over the records of all folds
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tagnet.atomic import write_json, write_text, write_with
from tagnet.errors import SweepError
from tagnet.evaluation.average_precision import average_precisions
from tagnet.evaluation.intervals import Estimate
from tagnet.evaluation.label_scores import count, per_tag
from tagnet.evaluation.repeats import mean_of_repeats
from tagnet.workflows.finished_run import FinishedRun, read_finished_run
from tagnet.workflows.study_files import SWEEP_FILE, read_sweep, read_trials, run_folder

FOLD, SEED = "split.fold", "run.seed"
OUT_OF_FOLD = "out_of_fold.parquet"
NUMBERS = "crossval.json"
PER_TAG = "per_tag.csv"


@dataclass(frozen=True, eq=False)
class FoldRun:
    """One run of a cross-validation."""

    fold: int
    seed: int
    run: FinishedRun
    num_train: int
    """Records that it learned from."""
    metrics: Mapping[str, Any]
    """What its metrics.json holds."""


@dataclass(frozen=True)
class TagScores:
    """One tag over the records of all folds, each seed by itself: means over the seeds."""

    tag: str
    support: int
    """Records that bear it."""
    precision: float
    recall: float
    f1: float
    average_precision: float | None


@dataclass(frozen=True, eq=False)
class Crossval:
    """What the runs say together."""

    runs: tuple[FoldRun, ...]
    missing: tuple[str, ...]
    """Runs that failed or have not ended, and why."""
    overall: Mapping[str, Estimate]
    """Test metric → mean over the runs, and its interval (`evaluation.repeats`)."""
    baselines: Mapping[str, Mapping[str, Estimate]]
    differences: Mapping[str, Mapping[str, Estimate]]
    """Baseline → metric → model minus baseline, paired run by run."""
    tags: tuple[TagScores, ...]

    @property
    def num_records(self) -> int:
        """Different records that were tested."""
        return len({record_id for each in self.runs for record_id in each.run.ids})


def is_crossval(folder: Path) -> bool:
    """Whether a sweep's folder holds a cross-validation."""
    return (folder / SWEEP_FILE).is_file() and set(read_sweep(folder).space) == {FOLD, SEED}


def read_crossval(folder: Path) -> Crossval:
    """Put the finished runs of a cross-validation together.

    Raises:
        SweepError: the folder holds none, or none of its runs has finished.
        RunDirectoryError: a run's files are damaged.
    """
    if not is_crossval(folder):
        raise SweepError(
            f"{folder}: expected a cross-validation, found none; tagnet crossval run.dir={folder} makes one"
        )
    runs, missing = [], []
    for trial in read_trials(folder):
        where = run_folder(folder, trial.number)
        fold, seed = int(trial.params[FOLD]), int(trial.params[SEED])
        if trial.state != "complete":
            missing.append(f"fold {fold}, seed {seed}: {trial.reason or trial.state}")
            continue
        metrics = json.loads((where / "metrics.json").read_text(encoding="utf-8"))
        num_train = len(json.loads((where / "split.json").read_text(encoding="utf-8"))["train"])
        runs.append(FoldRun(fold, seed, read_finished_run(where), num_train, metrics))
    if not runs:
        raise SweepError(f"{folder}: expected a finished run, found none; {'; '.join(missing) or 'none was started'}")
    ratio = sum(len(each.run.ids) for each in runs) / sum(each.num_train for each in runs)
    tests = [each.metrics["test"] for each in runs]
    baselines = {
        name: [each.metrics["baselines"][name]["test"] for each in runs] for name in runs[0].metrics["baselines"]
    }
    return Crossval(
        runs=tuple(runs),
        missing=tuple(missing),
        overall=_means(tests, ratio),
        baselines={name: _means(scores, ratio) for name, scores in baselines.items()},
        differences={
            name: _means([_minus(*pair) for pair in zip(tests, scores, strict=True)], ratio)
            for name, scores in baselines.items()
        },
        tags=_tag_scores(runs),
    )


def write_crossval(folder: Path, found: Crossval) -> None:
    """Write the out-of-fold predictions, the tags and the metrics, the metrics last.

    Raises:
        RunDirectoryError: they cannot be written.
    """
    write_with(folder / OUT_OF_FOLD, lambda path: pq.write_table(out_of_fold(found.runs), path))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["tag", "support", "precision", "recall", "f1", "average_precision"])
    for tag in found.tags:
        ap = "" if tag.average_precision is None else tag.average_precision
        writer.writerow([tag.tag, tag.support, tag.precision, tag.recall, tag.f1, ap])
    write_text(folder / PER_TAG, text.getvalue())
    write_json(folder / NUMBERS, to_plain(found))


def out_of_fold(runs: Sequence[FoldRun]) -> pa.Table:
    """The test predictions of all runs, by seed and fold; the tags are in the schema's metadata."""
    rows: list[dict[str, Any]] = []
    tags = runs[0].run.rule.tags
    for each in sorted(runs, key=lambda one: (one.seed, one.fold)):
        if each.run.rule.tags != tags:
            raise SweepError(f"{each.run.folder}: expected the tags of the other folds, found others")
        rows += [
            {
                "id": each.run.ids[row],
                "seed": each.seed,
                "fold": each.fold,
                "logits": each.run.logits_NK[row],
                "probabilities": each.run.probs_NK[row],
                "accepted": each.run.accepted_NK[row],
                "labels": each.run.y_NK[row],
            }
            for row in range(len(each.run.ids))
        ]
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("seed", pa.int64()),
            ("fold", pa.int64()),
            ("logits", pa.list_(pa.float32())),
            ("probabilities", pa.list_(pa.float64())),
            ("accepted", pa.list_(pa.bool_())),
            ("labels", pa.list_(pa.uint8())),
        ],
        metadata={"tags": json.dumps(tags)},
    )
    return pa.Table.from_pylist(rows, schema=schema)


def to_plain(found: Crossval) -> dict[str, Any]:
    """What crossval.json holds."""
    return {
        "records": found.num_records,
        "runs": [{"fold": each.fold, "seed": each.seed, "folder": each.run.folder.name} for each in found.runs],
        "missing": list(found.missing),
        "test": _described(found.overall, [each.metrics["test"] for each in found.runs]),
        "baselines": {
            name: _described(scores, [each.metrics["baselines"][name]["test"] for each in found.runs])
            for name, scores in found.baselines.items()
        },
        "differences": {
            name: {metric: estimate.to_plain() for metric, estimate in scores.items()}
            for name, scores in found.differences.items()
        },
    }


def _described(means: Mapping[str, Estimate], runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: {**mean.to_plain(), "runs": [run[name]["value"] for run in runs]} for name, mean in means.items()}


def _means(runs: Sequence[Mapping[str, Any]], ratio: float) -> dict[str, Estimate]:
    return {name: mean_of_repeats([run[name]["value"] for run in runs], ratio) for name in runs[0]}


def _minus(model: Mapping[str, Any], baseline: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {"value": model[name]["value"] - baseline[name]["value"]} for name in model}


def _tag_scores(runs: Sequence[FoldRun]) -> tuple[TagScores, ...]:
    """Tag by tag over all folds; average precision by calibrated probabilities, which folds have in common."""
    tags, seeds = runs[0].run.rule.tags, sorted({each.seed for each in runs})
    by_seed: list[dict[str, Any]] = []
    for seed in seeds:
        mine = [each.run for each in runs if each.seed == seed]
        y_NK, accepted_NK, probs_NK = (
            np.concatenate([getattr(run, name) for run in mine]) for name in ("y_NK", "accepted_NK", "probs_NK")
        )
        scores = {name: value_1K[0] for name, value_1K in per_tag(count(y_NK, accepted_NK)).items()}
        by_seed.append({**scores, "support": y_NK.sum(0), "ap": average_precisions(probs_NK, y_NK)})
    mean = {name: np.mean([scores[name] for scores in by_seed], axis=0) for name in by_seed[0]}
    return tuple(
        TagScores(
            tag=tag,
            support=round(float(mean["support"][k])),
            precision=float(mean["precision"][k]),
            recall=float(mean["recall"][k]),
            f1=float(mean["f1"][k]),
            average_precision=None if np.isnan(mean["ap"][k]) else float(mean["ap"][k]),
        )
        for k, tag in enumerate(tags)
    )
