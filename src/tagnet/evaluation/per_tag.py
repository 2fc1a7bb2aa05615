"""What the model can do tag by tag: one row a tag, and the file they make.

Legend: N records, K tags.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tagnet.atomic import write_text
from tagnet.errors import DataError
from tagnet.evaluation.average_precision import average_precisions
from tagnet.evaluation.intervals import BootstrapResult
from tagnet.evaluation.label_scores import count, per_tag

Verdict = Literal["good", "fair", "weak", "unsure"]

GOOD_F1 = 0.7
"""From here on a tag counts as good."""
WEAK_F1 = 0.5
"""Below, it counts as weak."""
FEWEST_POSITIVES = 5
"""With fewer records that bear the tag, nothing is said about it."""


@dataclass(frozen=True, slots=True)
class TagRow:
    """One tag, measured on one set of records."""

    tag: str
    train_support: int
    """Records in training that bear it."""
    support: int
    """Records measured here that bear it."""
    predicted: int
    """Records measured here that were given it."""
    threshold: float
    precision: float
    precision_low: float
    precision_high: float
    recall: float
    recall_low: float
    recall_high: float
    f1: float
    f1_low: float
    f1_high: float
    average_precision: float | None
    """None where no record measured here bears the tag; its bounds likewise."""
    average_precision_low: float | None
    average_precision_high: float | None

    @property
    def verdict(self) -> Verdict:
        """Good from F1 .7, fair from .5, weak below; unsure with fewer than 5 records that bear the tag."""
        if self.support < FEWEST_POSITIVES:
            return "unsure"
        if self.f1 >= GOOD_F1:
            return "good"
        return "fair" if self.f1 >= WEAK_F1 else "weak"


def per_tag_table(
    tags: Sequence[str],
    probs_NK: NDArray[np.floating],
    y_NK: NDArray[Any],
    accepted_NK: NDArray[np.bool_],
    thresholds_K: NDArray[np.floating],
    train_counts_K: NDArray[Any],
    intervals: BootstrapResult,
) -> list[TagRow]:
    """One row for each tag, in the order of `tags`; `intervals` come from `bootstrap` on the same arrays.

    Raises:
        ValueError: the arrays are not about the same number of tags.
    """
    sizes = {probs_NK.shape[1], y_NK.shape[1], accepted_NK.shape[1]}
    sizes |= {len(tags), len(thresholds_K), len(train_counts_K), len(intervals.tags["f1"].low_K)}
    if len(sizes) != 1:
        raise ValueError(f"expected arrays about the same tags, found {sorted(sizes)} of them")
    counts = count(y_NK, accepted_NK)
    scores = per_tag(counts)
    ap_K = average_precisions(probs_NK, y_NK)
    bounds = intervals.tags
    return [
        TagRow(
            tag=tag,
            train_support=int(train_counts_K[k]),
            support=int(counts.support_SK[0, k]),
            predicted=int(counts.predicted_SK[0, k]),
            threshold=float(thresholds_K[k]),
            precision=float(scores["precision"][0, k]),
            precision_low=float(bounds["precision"].low_K[k]),
            precision_high=float(bounds["precision"].high_K[k]),
            recall=float(scores["recall"][0, k]),
            recall_low=float(bounds["recall"].low_K[k]),
            recall_high=float(bounds["recall"].high_K[k]),
            f1=float(scores["f1"][0, k]),
            f1_low=float(bounds["f1"].low_K[k]),
            f1_high=float(bounds["f1"].high_K[k]),
            average_precision=_or_none(ap_K[k]),
            average_precision_low=_or_none(bounds["average_precision"].low_K[k]),
            average_precision_high=_or_none(bounds["average_precision"].high_K[k]),
        )
        for k, tag in enumerate(tags)
    ]


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def write_csv(path: Path, rows: Sequence[TagRow]) -> None:
    """Write the rows with a header; None becomes an empty cell. The file appears whole or not at all.

    Raises:
        RunDirectoryError: it cannot be written.
    """
    columns = [field.name for field in dataclasses.fields(TagRow)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([["" if (v := getattr(row, c)) is None else v for c in columns] for row in rows])
    write_text(path, text.getvalue())


def read_csv(path: Path) -> list[TagRow]:
    """The rows that `write_csv` wrote.

    Raises:
        DataError: the file is missing, or has other columns.
    """
    kinds: dict[str, Any] = {"tag": str, "train_support": int, "support": int, "predicted": int}
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return [
                TagRow(**{name: kinds.get(name, _number)(value) for name, value in row.items()})
                for row in csv.DictReader(stream)
            ]
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"{path}: expected the table of tags of a finished run, found something else ({error})"
        ) from error


def _number(cell: str) -> float | None:
    return float(cell) if cell else None
