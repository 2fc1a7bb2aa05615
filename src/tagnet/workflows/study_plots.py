"""The plots of a sweep: each takes what there is to say of it and gives one inline SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tagnet.evaluation import svg
from tagnet.workflows.importance import Importances, is_log, is_number
from tagnet.workflows.study_files import Sweep, Trial
from tagnet.workflows.study_view import StudyView, sign, value_text

MOST_SETTINGS = 10
"""Axes of the parallel coordinates: the weightiest settings."""
MOST_LINES = 200
"""Trials whose lines are drawn: the best ones."""
_ROW = 58
_MISSING = -0.13
_FEW = 2
_APART = 0.2
_DASHED = (0, (3, 3))


@svg.styled
def history(view: StudyView) -> str:
    """The objective of every trial in the order of their numbers, and the best so far."""
    figure = svg.new_figure(240)
    axes = figure.subplots()
    svg.plain_axes(axes)
    known = sorted((t for t in view.ranked if t.value is not None), key=lambda trial: trial.number)
    complete = [trial for trial in known if trial.state == "complete"]
    pruned = [trial for trial in known if trial.state == "pruned"]
    best: list[float] = []
    for trial in complete:
        best.append(max([*best[-1:], _value(trial)], key=lambda value: value * sign(view.sweep)))
    numbers = [trial.number for trial in complete]
    if complete:
        last = max(trial.number for trial in view.ranked)
        axes.step([*numbers, last], [*best, best[-1]], where="post", color=svg.SECOND, lw=1.4, label="best so far")
        axes.plot(numbers, [_value(trial) for trial in complete], "o", color=svg.ACCENT, ms=5, label="complete")
    if pruned:
        values = [_value(trial) for trial in pruned]
        axes.plot([trial.number for trial in pruned], values, "o", mfc="none", mec=svg.MUTED, ms=5, label="pruned")
    failed = [trial.number for trial in view.ranked if trial.state == "failed"]
    if failed:
        axes.plot(
            failed,
            [0.03] * len(failed),
            "x",
            color=svg.WEAK,
            ms=5,
            transform=axes.get_xaxis_transform(),
            label="failed",
        )
    axes.set(xlabel="trial", ylabel=view.sweep.objective)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center", ncols=4, handlelength=1.2, columnspacing=1.2)
    return svg.to_svg(figure, "history", "The objective of every trial, and the best so far")


@svg.styled
def learning_curves(view: StudyView) -> str:
    """The objective after every epoch of every trial; the best trial and the recipe as it was by name."""
    figure = svg.new_figure(240)
    axes = figure.subplots()
    svg.plain_axes(axes)
    named = {}
    if view.default is not None:
        named[view.default.number] = (svg.SECOND, f"the recipe as it was ({view.default.number})")
    if view.best is not None:
        named[view.best.number] = (svg.ACCENT, f"the best ({view.best.number})")
    for trial in (trial for trial in reversed(view.ranked) if trial.history):
        epochs, values = [epoch + 1 for epoch, _ in trial.history], [value for _, value in trial.history]
        line: Any = "-" if trial.state == "complete" else _DASHED
        dot = "o" if len(epochs) == 1 else ""
        if trial.number in named:
            colour, name = named[trial.number]
            axes.plot(epochs, values, linestyle=line, color=colour, lw=2, label=name, zorder=3, marker=dot, ms=4)
        else:
            axes.plot(epochs, values, linestyle=line, color=svg.MUTED, lw=0.9, alpha=0.55, marker=dot, ms=3)
    axes.set(xlabel="epoch", ylabel=view.sweep.objective)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center", ncols=2, handlelength=1.6)
    return svg.to_svg(figure, "curves", "The objective after every epoch of every trial")


@svg.styled
def importance_bars(found: Importances) -> str:
    """How much each setting matters."""
    figure = svg.new_figure(20 * len(found.rows) + 30)
    axes = figure.subplots()
    svg.plain_axes(axes)
    axes.barh(range(len(found.rows)), [row.share for row in found.rows], color=svg.ACCENT, alpha=0.75, height=0.7)
    for y, row in enumerate(found.rows):
        at: Any = {"xytext": (3, 0), "textcoords": "offset points", "va": "center", "fontsize": 8.5}
        axes.annotate(f"{row.share:.0%}", (row.share, y), **at, color=svg.MUTED)
    axes.set_yticks(range(len(found.rows)), [svg.label(row.name, 40) for row in found.rows])
    axes.tick_params(axis="y", labelcolor=svg.INK)
    axes.set(ylim=(len(found.rows) - 0.4, -0.6), xlim=(0, 1.12 * max(row.share for row in found.rows)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    return svg.to_svg(figure, "importance", "How much each setting matters")


@dataclass(frozen=True)
class _Scale:
    """Where values lie on an axis from 0 to 1."""

    places: Mapping[Any, float]
    """Of categories, or of the ends of a range of numbers and its middle."""
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    numeric: bool = False

    def place(self, value: Any) -> float:
        if not self.numeric:
            return self.places[value_text(value)]
        ends = [math.log(each) if self.log else each for each in (self.low, value, self.high)]
        return (ends[1] - ends[0]) / (ends[2] - ends[0])


@svg.styled
def parallel_coordinates(view: StudyView) -> str:
    """A line a complete trial, from its settings, an axis each, down to its objective; the best tenth in colour.

    The axes lie below each other, so that they fit a telephone.
    """
    trials = [trial for trial in view.ranked if trial.state == "complete" and trial.value is not None][:MOST_LINES]
    keys = [key for key in view.varying if any(key in trial.params for trial in trials)][:MOST_SETTINGS]
    scales = [_scale(view.sweep, key, [t.params[key] for t in trials if key in t.params]) for key in keys]
    scales.append(_scale(view.sweep, view.sweep.objective, [_value(trial) for trial in trials]))
    figure = svg.new_figure(_ROW * len(scales) + 34)
    axes = figure.subplots()
    svg.plain_axes(axes)
    num_best = max(1, len(trials) // 10)
    for i, trial in reversed(list(enumerate(trials))):
        # Lines through one category stay apart.
        shift = 0.012 * ((trial.number % 5) - 2)
        x = [_place(scale, trial, key, shift) for key, scale in zip(keys, scales[:-1], strict=True)]
        x.append(scales[-1].place(_value(trial)))
        style: Any = (
            {"color": svg.ACCENT, "lw": 2.2 if i == 0 else 1.4} if i < num_best else {"color": svg.MUTED, "lw": 0.8}
        )
        axes.plot(x, range(len(scales)), alpha=1 if i < num_best else 0.45, zorder=2 if i < num_best else 1, **style)
    for y, (name, scale) in enumerate(zip([*keys, view.sweep.objective], scales, strict=True)):
        _draw_axis(axes, y, name, scale, any_missing=y < len(keys) and any(name not in t.params for t in trials))
    axes.set(xlim=(_MISSING - 0.05, 1.06), ylim=(len(scales) - 0.45, -0.5))
    axes.set_axis_off()
    return svg.to_svg(figure, "parallel", "Settings and objective of every complete trial")


def _place(scale: _Scale, trial: Trial, key: str, shift: float) -> float:
    if key not in trial.params:
        return _MISSING + shift
    return scale.place(trial.params[key]) + (0 if scale.numeric else shift)


def _draw_axis(axes: Axes, y: int, name: str, scale: _Scale, *, any_missing: bool) -> None:
    back: Any = {"facecolor": svg.PAPER, "alpha": 0.85, "lw": 0, "pad": 1.2}
    axes.plot([0, 1], [y, y], color=svg.LINE, lw=1.4, zorder=0.5)
    axes.annotate(
        svg.label(name, 40),
        (0, y),
        xytext=(0, 9),
        textcoords="offset points",
        fontsize=9.5,
        color=svg.INK,
        weight="bold",
        bbox=back,
        zorder=4,
    )
    ticks = dict(scale.places) | ({"–": _MISSING} if any_missing else {})
    # Many names on one axis take turns in two rows.
    two_rows = len(ticks) > 4
    for i, (text, x) in enumerate(sorted(ticks.items(), key=lambda tick: tick[1])):
        axes.plot([x], [y], "|", color=svg.MUTED, ms=6, zorder=3)
        at: Any = {"xytext": (0, -13 - (9 if two_rows and i % 2 else 0)), "textcoords": "offset points", "fontsize": 8}
        at["ha"] = "left" if x < 0.02 and x >= 0 else "right" if x > 0.98 else "center"
        axes.annotate(svg.label(text, 16), (x, y), **at, color=svg.MUTED, bbox=back, zorder=4)


def _scale(sweep: Sweep, key: str, values: Sequence[Any]) -> _Scale:
    low, high = min(values, key=_order), max(values, key=_order)
    if not all(is_number(value) for value in values) or low == high:
        names = sorted({value_text(value) for value in values})
        return _Scale({name: i / (len(names) - 1) if len(names) > 1 else 0.5 for i, name in enumerate(names)})
    scale = _Scale({}, low, high, is_log(sweep, key, low, high), numeric=True)
    between = sorted({*values} - {low, high})
    if len(between) > _FEW:
        middle = math.sqrt(low * high) if scale.log else (low + high) / 2
        between = [float(f"{middle:.2g}")]
    ticks = [low, high]
    for tick in between:
        if all(abs(scale.place(tick) - scale.place(other)) > _APART for other in ticks):
            ticks.append(tick)
    return replace(scale, places={value_text(tick): scale.place(tick) for tick in ticks})


def _value(trial: Trial) -> float:
    assert trial.value is not None
    return trial.value


def _order(value: Any) -> Any:
    return value if is_number(value) else 0
