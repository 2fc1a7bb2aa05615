"""A finished run, read back: its predictions, and the rule that made tags of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray

from tagnet.bundle import read_bundle
from tagnet.calibration.rule import DecisionRule
from tagnet.config import EvaluationConfig
from tagnet.errors import RunDirectoryError


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """One side of a run's split: N records, K tags."""

    folder: Path
    side: Literal["val", "test"]
    config: Mapping[str, Any]
    """The resolved settings, as config.yaml has them."""
    rule: DecisionRule
    evaluation: EvaluationConfig
    """How it was measured."""
    ids: tuple[str, ...]
    logits_NK: NDArray[np.float32]
    y_NK: NDArray[np.uint8]

    @property
    def name(self) -> str:
        """What people call it: the last part of its path."""
        return self.folder.resolve().name

    @property
    def features(self) -> tuple[str, ...]:
        """The fields that made its texts."""
        return tuple(self.config["data"]["features"])

    @cached_property
    def probs_NK(self) -> NDArray[np.float64]:
        """Calibrated probabilities."""
        return self.rule.probabilities(self.logits_NK)

    @cached_property
    def accepted_NK(self) -> NDArray[np.bool_]:
        """Which tags it gives."""
        return self.rule.accept(self.probs_NK)


def read_finished_run(folder: Path, side: Literal["val", "test"] = "test") -> FinishedRun:
    """Read a run's predictions on one side.

    Raises:
        RunDirectoryError: the folder holds no finished run, or one whose test records were not looked at, or its files
            are damaged.
        BundleError: its bundle is.
    """
    if not (folder / "metrics.json").is_file():
        raise RunDirectoryError(
            f"{folder}: expected the folder of a finished run, found no metrics.json in it; "
            "the command that started it goes on with it"
        )
    path = folder / "predictions.parquet"
    try:
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        table = pq.read_table(path)
        tags = tuple(json.loads(table.schema.metadata[b"tags"]))
        table = table.filter(pc.equal(table["side"], side))
        ids = tuple(table["id"].to_pylist())
        logits_NK, y_NK = (_rows(table[name], len(tags)) for name in ("logits", "labels"))
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise RunDirectoryError(f"{path}: expected the predictions of a finished run, found {reason}") from error
    if not ids:
        raise RunDirectoryError(f"{path}: expected {side} records, found none; was the run one with run.test=false?")
    bundle = read_bundle(folder / "bundle")
    if tuple(bundle.tags) != tags:
        raise RunDirectoryError(f"{path}: expected the tags of {folder / 'bundle'}, found others")
    return FinishedRun(folder, side, config, bundle.rule, bundle.evaluation, ids, logits_NK, y_NK)


def _rows(column: pa.ChunkedArray, num_tags: int) -> NDArray[Any]:
    rows_NK: NDArray[Any] = column.combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, num_tags)
    return rows_NK
