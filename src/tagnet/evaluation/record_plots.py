"""The plots of what is seen before training: how long texts are, how many tags records bear, when they came about.

Legend: N records.
"""

from __future__ import annotations

from calendar import month_abbr
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from tagnet.evaluation import svg

_HEIGHT = 230
_BINS = 40
_PERIODS = {"month": 1, "year": 12, "decade": 120, "century": 1200}
"""In months."""
_MOST_BARS = 60
_TICKS = 7


@svg.styled
def lengths(lengths_N: NDArray[np.int64], limit: int | None) -> str:
    """How many texts have how many tokens; the limit is marked where it is in reach."""
    figure = svg.new_figure(_HEIGHT)
    axes = _bare(figure.subplots())
    longest = int(lengths_N.max())
    width = max(1, -(-longest // _BINS))
    counts = np.bincount(lengths_N // width)
    axes.bar((np.arange(len(counts)) + 0.5) * width, counts, width=0.9 * width, color=svg.ACCENT, alpha=0.75)
    near = limit is not None and limit <= 1.5 * longest
    if limit is not None and near:
        axes.axvline(limit, color=svg.WEAK, linewidth=1.2, linestyle=(0, (3, 3)))
        at: Any = {"xytext": (4, -10), "textcoords": "offset points", "fontsize": 9, "color": svg.WEAK}
        right = limit > 0.8 * max(longest, limit)
        at |= {"xytext": (-4, -10), "ha": "right"} if right else {}
        axes.annotate(f"limit {limit:,}", (limit, 1), xycoords=("data", "axes fraction"), **at)
    axes.set_xlim(0, max(longest + width, limit * 1.04 if limit is not None and near else 0))
    axes.set(xlabel="tokens", ylabel="texts")
    return svg.to_svg(figure, "lengths", "How many texts have how many tokens")


@svg.styled
def tags_a_record(counts: Sequence[int]) -> str:
    """How many records bear 0, 1, 2, … tags."""
    figure = svg.new_figure(_HEIGHT)
    axes = _bare(figure.subplots())
    axes.bar(range(len(counts)), counts, width=0.8, color=svg.ACCENT, alpha=0.75)
    for x, count in enumerate(counts):
        if count and len(counts) <= 16:
            at: Any = {"xytext": (0, 2), "textcoords": "offset points", "ha": "center", "fontsize": 8.5}
            axes.annotate(f"{count:,}", (x, count), **at, color=svg.MUTED)
    axes.set_xlim((-0.6 if counts[0] else 0.4), max(1.6, len(counts) - 0.4))
    axes.set_ylim(0, max(1, *counts) * 1.1)
    axes.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    axes.set(xlabel="tags", ylabel="records")
    return svg.to_svg(figure, "tagsarecord", "How many records bear how many tags")


@svg.styled
def dates(moments: Sequence[datetime], sides: Sequence[str]) -> str:
    """Records by month, or by longer periods where these would be too many; one colour a side."""
    first, last = min(moments), max(moments)
    period = choose_period(first, last)
    months = _PERIODS[period]
    place_N = np.asarray([_month(moment) // months - _month(first) // months for moment in moments])
    names = [_name(start * months, months) for start in range(_month(first) // months, _month(last) // months + 1)]
    side_N = np.asarray(sides)
    figure = svg.new_figure(_HEIGHT)
    axes = _bare(figure.subplots())
    below = np.zeros(len(names), dtype=np.int64)
    colours = {"train": svg.ACCENT, "val": svg.SECOND, "test": svg.GOOD, "": svg.MUTED}
    for side, colour in colours.items():
        counts = np.bincount(place_N[side_N == side], minlength=len(names))
        if counts.any():
            name = side or "on no side"
            axes.bar(range(len(names)), counts, 0.85, below, color=colour, alpha=0.75, label=name)
            below = below + counts
    shown = range(0, len(names), -(-len(names) // _TICKS))
    axes.set_xticks(shown, [names[i] for i in shown])
    axes.set_xlim(-0.6, max(len(names) - 0.4, 3))
    axes.set_ylabel(f"records a {period}")
    figure.legend(loc="outside lower center", ncols=4, handlelength=1, columnspacing=1.2)
    return svg.to_svg(figure, "dates", "Records by the time they came about")


def choose_period(first: datetime, last: datetime) -> str:
    """The shortest period of which not too many lie between two moments.

    >>> [choose_period(datetime(year, 1, 1), datetime(2021, 9, 1)) for year in (2020, 1990, 1)]
    ['month', 'year', 'century']
    """
    fitting = (name for name, months in _PERIODS.items() if (_month(last) - _month(first)) // months < _MOST_BARS)
    return next(fitting, "century")


def _month(moment: datetime) -> int:
    return 12 * moment.year + moment.month - 1


def _name(month: int, months: int) -> str:
    return f"{month_abbr[month % 12 + 1]} {month // 12}" if months == 1 else str(month // 12)


def _bare(axes: Axes) -> Axes:
    svg.plain_axes(axes)
    axes.grid(axis="x", visible=False)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    return axes
