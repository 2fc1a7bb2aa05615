"""Tables that hold alternatives against one of them, measured on the same cuts or runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table

from tagnet.evaluation.repeats import mean_of_repeats
from tagnet.evaluation.table_parts import new_table


def gain(gains: Sequence[float], test_to_train: float, digits: int = 3) -> str:
    """The mean of paired differences and, where there are several, its interval (Nadeau & Bengio 2003).

    >>> gain([0.25], 0.2)
    '+0.250'
    """
    mean = mean_of_repeats(gains, test_to_train)
    interval = f" ({mean.low:+.{digits}f} to {mean.high:+.{digits}f})" if len(gains) > 1 else ""
    return f"{mean.value:+.{digits}f}{interval}"


def paired_table(
    results: Sequence[Mapping[str, Any]],
    parts: Sequence[str],
    place: tuple[str, str],
    metrics: Mapping[str, str],
    test_to_train: float,
) -> Table:
    """The first part's means, and what each other part gains over it, place by place.

    Args:
        results: each with `part`, the two keys of its place, and the metrics.
        parts: in the order of the rows.
        place: the keys that pair results.
        metrics: key → column.
        test_to_train: records that judge by those that were learned from.
    """
    base = {tuple(each[key] for key in place): each for each in results if each["part"] == parts[0]}
    shown = new_table()
    for column in ("", *metrics.values()):
        shown.add_column(column, no_wrap=True)
    for part in parts:
        mine = [each for each in results if each["part"] == part]
        if part == parts[0]:
            cells = [f"{np.mean([each[metric] for each in mine]):.3f}" for metric in metrics]
        else:
            pairs = [(each, base[tuple(each[key] for key in place)]) for each in mine]
            cells = [gain([one[m] - other[m] for one, other in pairs], test_to_train) for m in metrics]
        shown.add_row(part, *cells)
    return shown
