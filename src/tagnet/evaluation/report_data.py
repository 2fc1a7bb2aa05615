"""Everything a report shows, as plain arrays, dictionaries and text: it knows nothing of how the model was trained.

Legend: N records of one side, K tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tagnet.evaluation.intervals import Estimate
from tagnet.evaluation.per_tag import TagRow


@dataclass(frozen=True)
class SideData:
    """Records of one side of the split with what was predicted for them."""

    ids: Sequence[int | str]
    texts: Sequence[str]
    """The text as the model saw it, uncut."""
    probs_NK: NDArray[np.floating]
    y_NK: NDArray[Any]
    accepted_NK: NDArray[np.bool_]
    uncalibrated_NK: NDArray[np.floating]
    """The bare network's probabilities, σ(logit)."""


@dataclass(frozen=True)
class LearningCurve:
    """One line in the learning curves."""

    name: str
    steps: Sequence[float]
    """Optimizer steps."""
    values: Sequence[float]
    panel: str
    """Curves of one panel share their axes."""


@dataclass(frozen=True)
class SplitSummary:
    """How the records were divided, and how evenly."""

    sizes: Mapping[str, int]
    """`train`, `val`, `test` → records."""
    quality: float
    """Mean over tags of the standard deviation of their scaled counts; lower is more even."""
    naive_quality: float | None
    """The same for a random split of the same sizes."""
    source: str
    """For example `iterative stratification, seed 0`."""
    crossing_duplicates: int = 0
    """Pairs of near-identical records on two sides."""


@dataclass(frozen=True)
class DataSummary:
    """Where the records came from and what happened to them."""

    source: str
    taxonomy: str | None
    num_rows: int
    num_records: int
    num_untagged_dropped: int = 0
    fingerprint: str = ""
    skipped: Sequence[Mapping[str, object]] = ()
    """Rows that could not be used: `file`, `row`, `field`, `expected`, `found`."""
    outside_taxonomy: Mapping[str, int] = field(default_factory=dict)
    resolved_aliases: Mapping[str, int] = field(default_factory=dict)
    below_min_count: Mapping[str, int] = field(default_factory=dict)
    excluded: Mapping[str, int] = field(default_factory=dict)
    num_over_limit: int = 0
    """Texts that are longer than the encoder reads."""
    max_tokens: int | None = None
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class ReportData:
    """One finished run."""

    run_name: str
    encoder: str
    seed: int
    tags: tuple[str, ...]
    thresholds_K: NDArray[np.floating]
    train_counts_K: NDArray[Any]
    judged_on: Literal["test", "validation"]
    """The side that judges the model: validation where test was not looked at."""
    judged: SideData
    val: SideData
    """Draws the threshold curves: this is where the thresholds were chosen."""
    y_all_NK: NDArray[Any]
    """All records: frequencies and co-occurrence."""
    rows: Sequence[TagRow]
    """Of the side that judges."""
    overall: Mapping[str, Estimate]
    """Of the side that judges; so are the baselines' and the differences'."""
    val_overall: Mapping[str, Estimate]
    baselines: Mapping[str, Mapping[str, Estimate]]
    differences: Mapping[str, Mapping[str, Estimate]]
    """Baseline → the model's metrics minus the baseline's."""
    baseline_f1_K: Mapping[str, NDArray[np.floating]]
    curves: Sequence[LearningCurve]
    best_step: float | None
    """The step whose weights were kept."""
    split: SplitSummary
    data: DataSummary
    calibrator: str
    threshold_rule: str
    bootstrap_samples: int
    confidence: float
    config: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    collapse: str | None = None
