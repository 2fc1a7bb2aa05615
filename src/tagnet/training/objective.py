"""What a sweep goes by: a finished run's validation logits, measured with decisions that did not see them.

Shapes: V validation texts, K tags.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tagnet.calibration.fit import fit_decision_rule
from tagnet.config import TrainConfig
from tagnet.data.stratify import stratify
from tagnet.errors import ConfigError, DataError, DivergenceError, RunDirectoryError, nearest
from tagnet.evaluation.metrics import LOWER_IS_BETTER, overall_metrics
from tagnet.training.run_directory import has_settings

NUM_FOLDS = 5


@dataclass(frozen=True)
class Objective:
    """How good a run is, by validation alone; both are finite."""

    value: float
    """Of `trainer.monitor`."""
    tie_break: float
    """Of `tie_break_metric`; more is better."""


def objective(
    config: TrainConfig,
    tags: Sequence[str],
    logits_VK: NDArray[np.floating],
    y_VK: NDArray[np.uint8],
    val_loss: float | None = None,
) -> Objective:
    """Measure `trainer.monitor` and its tie-break on validation logits, with the decision rule cross-fitted.

    Thresholds that are fitted and measured on the same records flatter the rules that overfit most, such as one
    threshold a tag. So the records are cut into five stratified folds; calibrator and thresholds are fitted on four,
    applied to the fifth, and the five are measured together (cross-validation: Stone, JRSS B 1974).

    Args:
        config: the run's; `run.seed` draws the folds.
        tags: the K tags, in the order of the columns.
        logits_VK: of the weights that were kept.
        y_VK: 0 or 1.
        val_loss: the best epoch's, where `val.loss` is monitored: no decision enters it.

    Raises:
        ConfigError: `trainer.monitor` is no validation metric.
        DataError: there are too few records to fit on some and to measure on others.
        DivergenceError: a logit, or the loss, is not finite.
    """
    monitor = config.trainer.monitor
    if not np.isfinite(logits_VK).all():
        raise DivergenceError(f"{monitor}: expected finite validation logits, found NaN or infinity; lower optim.lr")
    probs_VK, accepted_VK = cross_fit(config, tags, logits_VK, y_VK)
    metrics = {
        f"val.{name}": value
        for name, value in overall_metrics(probs_VK, y_VK, accepted_VK, config.evaluation.at_k).items()
    }
    if monitor == "val.loss":
        if val_loss is None or not math.isfinite(val_loss):
            raise DivergenceError(f"val.loss: expected a finite number at some epoch, found {val_loss}; lower optim.lr")
        metrics[monitor] = val_loss
    if monitor not in metrics:
        raise ConfigError(
            f"trainer.monitor: expected a validation metric, found {monitor!r}{nearest(monitor, metrics)}"
        )
    return Objective(value=metrics[monitor], tie_break=metrics[f"val.{tie_break_metric(monitor)}"])


def read_objective(config: TrainConfig) -> Objective | None:
    """The objective of the run in `run.dir`, from its files; None where it has not finished.

    Raises:
        RunDirectoryError: the run was one of other settings, or its predictions or metrics cannot be read.
        TagnetError: as `objective`.
    """
    folder = Path(config.run.dir or "")
    if config.run.dir is None or not (folder / "metrics.json").is_file():
        return None
    try:
        if not has_settings(folder, config):
            raise RunDirectoryError(
                f"run.dir={folder}: expected the run of these settings, found a finished one of others; "
                "choose another run.dir."
            )
        import pyarrow.parquet as pq

        table = pq.read_table(folder / "predictions.parquet", filters=[("side", "=", "val")])
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        tags = json.loads(table.schema.metadata[b"tags"])
        logits_VK, y_VK = (_rows(table[name], len(tags)) for name in ("logits", "labels"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunDirectoryError(
            f"{folder}: expected predictions.parquet and metrics.jsonl of a finished run, found other files ({error})"
        ) from error
    losses = [line["val.loss"] for line in lines if line.get("val.loss") is not None]
    return objective(config, tags, logits_VK, y_VK, min(losses, default=None))


def tie_break_metric(monitor: str) -> str:
    """The metric in which every tag counts alike, for runs between which `monitor` does not decide; more is better.

    >>> tie_break_metric("val.f1_micro"), tie_break_metric("val.map_micro"), tie_break_metric("val.map")
    ('f1_macro', 'map', 'f1_macro')
    """
    stem, _, average = monitor.removeprefix("val.").rpartition("_")
    if stem in ("f1", "precision", "recall") and average in ("micro", "weighted"):
        return f"{stem}_macro"
    return "f1_macro" if monitor.removeprefix("val.") == "map" else "map"


def direction(monitor: str) -> Literal["maximize", "minimize"]:
    """Whether more or less of a validation metric is better.

    >>> direction("val.map"), direction("val.loss"), direction("val.ece")
    ('maximize', 'minimize', 'minimize')
    """
    return "minimize" if monitor.removeprefix("val.") in LOWER_IS_BETTER | {"loss"} else "maximize"


def cross_fit(
    config: TrainConfig, tags: Sequence[str], logits_VK: NDArray[np.floating], y_VK: NDArray[np.uint8]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probabilities and decisions, each record's by a rule that was fitted on the other folds: two (V, K).

    Args:
        config: as for `objective`.
        tags: the K tags.
        logits_VK: of validation records.
        y_VK: 0 or 1.

    Raises:
        DataError: there are too few records to fit on some and to measure on others.
    """
    if len(y_VK) < 2:
        raise DataError(
            f"{config.trainer.monitor}: expected at least 2 validation records, to fit thresholds on some and to "
            f"measure on others, found {len(y_VK)}; give the split a larger validation side"
        )
    num_folds = min(NUM_FOLDS, len(y_VK))
    fold_V = stratify(y_VK, [1 / num_folds] * num_folds, config.run.seed)
    probs_VK, accepted_VK = np.empty(y_VK.shape, dtype=np.float64), np.empty(y_VK.shape, dtype=np.bool_)
    for fold in range(num_folds):
        here_V = fold_V == fold
        rule = fit_decision_rule(tags, logits_VK[~here_V], y_VK[~here_V], config.calibrator, config.thresholds)
        probs_VK[here_V] = rule.probabilities(logits_VK[here_V])
        accepted_VK[here_V] = rule.accept(probs_VK[here_V])
    return probs_VK, accepted_VK


def _rows(column: Any, num_tags: int) -> NDArray[Any]:
    rows_VK: NDArray[Any] = column.combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, num_tags)
    return rows_VK
