"""The plots of the report: each takes plain arrays and gives one inline SVG.

Legend: N records, K tags.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import matplotlib
import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from tagnet.evaluation import svg
from tagnet.evaluation.intervals import Estimate
from tagnet.evaluation.label_scores import averaged, count
from tagnet.evaluation.per_tag import TagRow
from tagnet.evaluation.record_scores import NUM_BINS
from tagnet.evaluation.report_data import LearningCurve
from tagnet.evaluation.tables import MODEL_NAMES

MOST_TAGS = 40
"""Above this many tags, plots show the first and the last half of it."""
CURVE_POINTS = 101
VERDICT_COLOURS = {"good": svg.GOOD, "fair": svg.FAIR, "weak": svg.WEAK, "unsure": svg.MUTED}

P = ParamSpec("P")
R = TypeVar("R")
Floats = NDArray[np.float64]


def _styled(plot: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(plot)
    def draw(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.rc_context(svg.STYLE):
            return plot(*args, **kwargs)

    return draw


@_styled
def learning_curves(curves: Sequence[LearningCurve], best_step: float | None) -> str:
    """One panel under the other, on one axis of steps; the kept step is marked."""
    panels = list(dict.fromkeys(curve.panel for curve in curves))
    figure = svg.new_figure(150 * len(panels) + 20)
    all_axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    colours = (svg.ACCENT, svg.SECOND, svg.GOOD, svg.WEAK)
    for axes, panel in zip(all_axes, panels, strict=True):
        svg.plain_axes(axes)
        axes.set_title(panel, loc="left")
        members = [curve for curve in curves if curve.panel == panel]
        for i, curve in enumerate(members):
            few = len(curve.steps) <= 30
            axes.plot(
                curve.steps, curve.values, color=colours[i % 4], label=curve.name, marker="o" if few else "", ms=3
            )
        if best_step is not None:
            axes.axvline(best_step, color=svg.MUTED, linewidth=1, linestyle=(0, (3, 3)))
        if len(members) > 1:
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1.05), handlelength=1.2)
    all_axes[-1].set_xlabel(
        "optimizer step" + (" (dashed: the weights that were kept)" if best_step is not None else "")
    )
    return svg.to_svg(figure, "learning", "Learning curves")


@_styled
def model_comparison(models: Mapping[str, Mapping[str, Estimate]]) -> str:
    """MAP and macro F1 of the model (first) and the baselines, with their intervals."""
    panels = (("map", "mAP"), ("f1_macro", "macro F1"))
    figure = svg.new_figure(24 * len(models) + 46)
    for axes, (metric, name) in zip(figure.subplots(1, 2, sharey=True), panels, strict=True):
        svg.plain_axes(axes)
        for row, (model, scores) in enumerate(models.items()):
            estimate, colour = scores[metric], svg.ACCENT if row == 0 else svg.MUTED
            axes.plot([estimate.low, estimate.high], [row, row], color=colour, linewidth=2, alpha=0.55)
            axes.plot([estimate.value], [row], "o", color=colour, ms=6)
        axes.set_yticks(range(len(models)), [MODEL_NAMES.get(m, svg.label(m)) for m in models])
        axes.tick_params(axis="y", labelcolor=svg.INK)
        axes.set_ylim(len(models) - 0.5, -0.5)
        axes.set(xlim=(0, 1.02), xticks=[0, 0.25, 0.5, 0.75, 1], xticklabels=["0", ".25", ".5", ".75", "1"])
        axes.set_title(name, loc="left")
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
    return svg.to_svg(figure, "models", "mAP and macro F1 of the model and its baselines, with intervals")


@_styled
def tag_f1(rows: Sequence[TagRow], baseline_f1_K: Mapping[str, NDArray[np.floating]]) -> str:
    """F1 of each tag with its interval, best first; a hollow mark is the best baseline on that tag."""
    best_baseline_K = np.max(list(baseline_f1_K.values()), axis=0) if baseline_f1_K else None
    order = sorted((i for i, r in enumerate(rows) if r.support), key=lambda i: (-rows[i].f1, -rows[i].support))
    shown = order if len(order) <= MOST_TAGS else order[: MOST_TAGS // 2] + order[-MOST_TAGS // 2 :]
    figure = svg.new_figure(15 * len(shown) + 40)
    axes = figure.subplots()
    svg.plain_axes(axes)
    for y, i in enumerate(shown):
        row = rows[i]
        colour = VERDICT_COLOURS[row.verdict]
        axes.plot([row.f1_low, row.f1_high], [y, y], color=colour, linewidth=2.4, alpha=0.4, solid_capstyle="round")
        axes.plot([row.f1], [y], "o", color=colour, ms=5)
        if best_baseline_K is not None:
            axes.plot([best_baseline_K[i]], [y], "D", mfc="none", mec=svg.INK, mew=0.9, ms=3.6)
    if len(shown) < len(order):
        axes.axhline(MOST_TAGS // 2 - 0.5, color=svg.MUTED, linewidth=1, linestyle=(0, (3, 3)))
    axes.set_yticks(range(len(shown)), [f"{svg.label(rows[i].tag)}  {rows[i].support}" for i in shown])
    axes.tick_params(axis="y", labelcolor=svg.INK)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("test F1")
    axes.spines["left"].set_visible(False)
    return svg.to_svg(figure, "tagf1", "F1 of each tag on the test records, with intervals")


@_styled
def precision_recall(
    tags: Sequence[str],
    probs_NK: NDArray[np.floating],
    y_NK: NDArray[Any],
    rows: Sequence[TagRow],
    micro: Estimate,
) -> str:
    """All cells pooled, every tag in grey, and the three best and weakest tags with enough records by name."""
    y_NK = y_NK > 0
    figure = svg.new_figure(430)
    axes = figure.subplots()
    svg.plain_axes(axes)
    sure = sorted(
        (k for k, r in enumerate(rows) if r.verdict != "unsure" and r.average_precision is not None),
        key=lambda k: -(rows[k].average_precision or 0),
    )
    named = dict.fromkeys(sure[:3], svg.GOOD) | dict.fromkeys(sure[-3:], svg.WEAK) if len(sure) >= 6 else {}
    steps: Any = "steps-post"  # average precision is the area below these steps
    faint = [k for k in sure if k not in named]
    for k in faint[:: max(1, len(faint) // MOST_TAGS)]:
        axes.plot(*_pr_points(y_NK[:, k], probs_NK[:, k]), color=svg.MUTED, linewidth=0.7, alpha=0.35, drawstyle=steps)
    dashes = ("-", (0, (4, 2)), (0, (1, 1.5)))
    for i, (k, colour) in enumerate(named.items()):
        text = f"{svg.label(tags[k], 22)} {rows[k].average_precision:.2f}"
        axes.plot(
            *_pr_points(y_NK[:, k], probs_NK[:, k]),
            color=colour,
            linestyle=dashes[i % 3],
            linewidth=1.3,
            label=text,
            drawstyle=steps,
        )
    if y_NK.any():
        text = f"all tags pooled {micro.value:.2f}"
        axes.plot(
            *_pr_points(y_NK.ravel(), probs_NK.ravel()), color=svg.ACCENT, linewidth=2.6, label=text, drawstyle=steps
        )
    axes.set(xlim=(0, 1.01), ylim=(0, 1.03), xlabel="recall", ylabel="precision")
    figure.legend(loc="outside lower center", ncols=2, handlelength=2.2, columnspacing=1.2)
    return svg.to_svg(figure, "pr", "Precision against recall")


def _pr_points(y_N: NDArray[np.bool_], scores_N: NDArray[np.floating]) -> tuple[Floats, Floats]:
    precision, recall, _ = precision_recall_curve(y_N, scores_N, drop_intermediate=True)
    if len(recall) > 3 * CURVE_POINTS:
        keep = np.unique(np.linspace(0, len(recall) - 1, 3 * CURVE_POINTS).astype(int))
        precision, recall = precision[keep], recall[keep]
    return recall, precision


@_styled
def reliability(probs_NK: NDArray[np.floating], y_NK: NDArray[Any]) -> str:
    """Share of positives against mean probability in the bins of the ECE, all cells pooled, and how full each is."""
    probs, y = probs_NK.ravel().astype(np.float64), (y_NK.ravel() > 0).astype(np.float64)
    bins = np.minimum((probs * NUM_BINS).astype(int), NUM_BINS - 1)
    counts = np.bincount(bins, minlength=NUM_BINS)
    filled = counts > 0
    mean_p = np.bincount(bins, probs, NUM_BINS)[filled] / counts[filled]
    share = np.bincount(bins, y, NUM_BINS)[filled] / counts[filled]
    # Wilson's interval: sensible also where every or no cell of a bin is positive.
    n, z = counts[filled], 1.96
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    figure = svg.new_figure(430)
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    for each in (axes, below):
        svg.plain_axes(each)
    axes.plot([0, 1], [0, 1], color=svg.MUTED, linewidth=1, linestyle=(0, (3, 3)))
    axes.vlines(mean_p, centre - half, centre + half, color=svg.ACCENT, alpha=0.4, linewidth=2.2)
    axes.plot(mean_p, share, "o-", color=svg.ACCENT, linewidth=1.2, ms=4.5)
    axes.set(ylabel="share that is right", ylim=(-0.02, 1.02), xlim=(-0.01, 1.01))
    centres = (np.arange(NUM_BINS) + 0.5) / NUM_BINS
    below.bar(centres[filled], n, width=0.9 / NUM_BINS, color=svg.MUTED, alpha=0.5)
    below.set(yscale="log", xlabel="predicted probability", ylabel="cells")
    below.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    below.minorticks_off()
    return svg.to_svg(figure, "reliability", "Reliability diagram")


@_styled
def global_threshold(probs_NK: NDArray[np.floating], y_NK: NDArray[Any], thresholds_K: NDArray[np.floating]) -> str:
    """Micro and macro F1 if one threshold served all tags; ticks below are the thresholds that were chosen."""
    grid = np.linspace(0.01, 0.99, 60)
    scores = [averaged(count(y_NK, probs_NK >= t)) for t in grid]
    figure = svg.new_figure(230)
    axes = figure.subplots()
    svg.plain_axes(axes)
    for key, name, colour in (("f1_micro", "micro F1", svg.ACCENT), ("f1_macro", "macro F1", svg.SECOND)):
        axes.plot(grid, [float(s[key][0]) for s in scores], color=colour, label=name)
    axes.plot(
        thresholds_K, np.full(len(thresholds_K), 0.02), "|", color=svg.INK, ms=9, mew=1, alpha=0.7, label="chosen"
    )
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="threshold", ylabel="validation F1")
    axes.legend(loc="upper right", ncols=3, handlelength=1.2)
    return svg.to_svg(figure, "threshold", "F1 against one threshold for all tags")


@_styled
def tag_thresholds(
    tags: Sequence[str], probs_NK: NDArray[np.floating], y_NK: NDArray[Any], thresholds_K: NDArray[np.floating]
) -> dict[str, str]:
    """F1 against the threshold with the one that was chosen: tag → small plot, the commonest tags first."""
    shown = np.argsort(-(y_NK > 0).sum(0), kind="stable")[:MOST_TAGS]
    grid = np.linspace(0.01, 0.99, 50)
    f1_TK = np.stack([_f1_K(probs_NK, y_NK, np.full(len(tags), t)) for t in grid])
    chosen_K = _f1_K(probs_NK, y_NK, thresholds_K)
    panels = {}
    for k in shown:
        figure = svg.new_figure(84, width=150)
        axes = figure.subplots()
        svg.plain_axes(axes)
        axes.plot(grid, f1_TK[:, k], color=svg.ACCENT, linewidth=1.3)
        axes.axvline(thresholds_K[k], color=svg.INK, linewidth=0.8, linestyle=(0, (2, 2)))
        axes.plot([thresholds_K[k]], [chosen_K[k]], "o", color=svg.INK, ms=3.6)
        axes.set(xlim=(0, 1), ylim=(0, 1.05), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        panels[tags[k]] = svg.to_svg(figure, f"threshold{k}", f"F1 of {tags[k]} against its threshold")
    return panels


def _f1_K(probs_NK: NDArray[np.floating], y_NK: NDArray[Any], thresholds_K: NDArray[np.floating]) -> Floats:
    counts = count(y_NK, probs_NK >= thresholds_K)
    sums = counts.predicted_SK[0] + counts.support_SK[0]
    f1_K: Floats = 2 * counts.true_positives_SK[0] / np.maximum(sums, 1)
    return f1_K


@_styled
def frequencies(tags: Sequence[str], y_NK: NDArray[Any]) -> str:
    """How many records bear each tag, commonest first."""
    counts_K = (y_NK > 0).sum(0)
    order = np.argsort(-counts_K, kind="stable")
    cut = len(order) > MOST_TAGS
    shown = np.concatenate([order[: MOST_TAGS // 2], order[-MOST_TAGS // 2 :]]) if cut else order
    figure = svg.new_figure(14 * len(shown) + 30)
    axes = figure.subplots()
    svg.plain_axes(axes)
    axes.barh(range(len(shown)), counts_K[shown], color=svg.ACCENT, alpha=0.75, height=0.7)
    for y, k in enumerate(shown):
        place = {"xytext": (3, 0), "textcoords": "offset points", "va": "center"}
        axes.annotate(f"{counts_K[k]:,}", (counts_K[k], y), **place, fontsize=8.5, color=svg.MUTED)
    if cut:
        axes.axhline(MOST_TAGS // 2 - 0.5, color=svg.MUTED, linewidth=1, linestyle=(0, (3, 3)))
    axes.set_yticks(range(len(shown)), [svg.label(tags[k]) for k in shown])
    axes.tick_params(axis="y", labelcolor=svg.INK)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0, max(1, counts_K.max()) * 1.09)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    return svg.to_svg(figure, "frequencies", "Records that bear each tag")


@_styled
def cooccurrence(tags: Sequence[str], y_NK: NDArray[Any], most: int = 20) -> str:
    """Of the records with the row's tag, the share that bears the column's; the commonest tags."""
    y = (y_NK > 0).astype(np.float64)
    shown = np.argsort(-y.sum(0), kind="stable")[:most]
    both_KK = y[:, shown].T @ y[:, shown]
    share_KK = both_KK / np.maximum(1, np.diag(both_KK))[:, None]
    figure = svg.new_figure(430)
    axes = figure.subplots()
    svg.plain_axes(axes)
    for i, j in np.argwhere(share_KK >= 0.01):
        if i != j:
            axes.add_patch(
                matplotlib.patches.Rectangle((j - 0.5, i - 0.5), 1, 1, color=svg.ACCENT, alpha=share_KK[i, j], lw=0)
            )
            if share_KK[i, j] >= 0.2:
                text = f"{100 * share_KK[i, j]:.0f}"
                colour = svg.PAPER if share_KK[i, j] > 0.55 else svg.INK
                axes.text(j, i, text, ha="center", va="center", fontsize=6.5, color=colour)
        else:
            axes.add_patch(matplotlib.patches.Rectangle((j - 0.5, i - 0.5), 1, 1, color=svg.LINE, lw=0))
    names = [svg.label(tags[k], 22) for k in shown]
    axes.set_xticks(range(len(shown)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(shown)), names, fontsize=8)
    axes.tick_params(labelcolor=svg.INK)
    axes.set(xlim=(-0.5, len(shown) - 0.5), ylim=(len(shown) - 0.5, -0.5), aspect="equal")
    axes.grid(visible=False)
    return svg.to_svg(figure, "cooccurrence", "How often tags stand together")
