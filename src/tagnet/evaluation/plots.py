"""The plots of what the model does: each takes plain arrays and gives one inline SVG.

Legend: N records, K tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from tagnet.evaluation import svg
from tagnet.evaluation.calibration_view import SupportBand
from tagnet.evaluation.intervals import Estimate
from tagnet.evaluation.label_scores import averaged, count
from tagnet.evaluation.per_tag import TagRow
from tagnet.evaluation.record_scores import NUM_BINS
from tagnet.evaluation.report_data import LearningCurve
from tagnet.evaluation.tables import MODEL_NAMES

CURVE_POINTS = 101
VERDICT_COLOURS = {"good": svg.GOOD, "fair": svg.FAIR, "weak": svg.WEAK, "unsure": svg.MUTED}

Floats = NDArray[np.float64]


@svg.styled
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


@svg.styled
def model_comparison(models: Mapping[str, Mapping[str, Estimate]]) -> str:
    """MAP and macro F1 of the model (first) and the baselines, with their intervals."""
    panels = (("map", "mAP"), ("f1_macro", "macro F1"))
    figure = svg.new_figure(24 * len(models) + 46)
    for axes, (metric, name) in zip(figure.subplots(1, 2, sharey=True), panels, strict=True):
        svg.plain_axes(axes)
        for row, scores in enumerate(models.values()):
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


@svg.styled
def tag_f1(rows: Sequence[TagRow], baseline_f1_K: Mapping[str, NDArray[np.floating]], judged_on: str = "test") -> str:
    """F1 of each tag with its interval, best first; a hollow mark is the best baseline on that tag."""
    best_baseline_K = np.max(list(baseline_f1_K.values()), axis=0) if baseline_f1_K else None
    order = sorted((i for i, r in enumerate(rows) if r.support), key=lambda i: (-rows[i].f1, -rows[i].support))
    shown = order if len(order) <= svg.MOST_TAGS else order[: svg.MOST_TAGS // 2] + order[-svg.MOST_TAGS // 2 :]
    figure = svg.new_figure(15 * len(shown) + 40)
    axes = figure.subplots()
    svg.plain_axes(axes)
    places, members = range(len(shown)), [rows[i] for i in shown]
    colours = [VERDICT_COLOURS[row.verdict] for row in members]
    axes.hlines(places, [r.f1_low for r in members], [r.f1_high for r in members], colors=colours, lw=2.4, alpha=0.4)
    axes.scatter([r.f1 for r in members], places, s=25, c=colours, zorder=3)
    if best_baseline_K is not None:
        axes.scatter(best_baseline_K[shown], places, s=13, marker="D", c="none", edgecolors=svg.INK, lw=0.9, zorder=4)
    if len(shown) < len(order):
        axes.axhline(svg.MOST_TAGS // 2 - 0.5, color=svg.MUTED, linewidth=1, linestyle=(0, (3, 3)))
    axes.set_yticks(range(len(shown)), [f"{svg.label(rows[i].tag, 30)}  {rows[i].support}" for i in shown])
    axes.tick_params(axis="y", labelcolor=svg.INK)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel(f"{judged_on} F1")
    axes.spines["left"].set_visible(False)
    return svg.to_svg(figure, "tagf1", f"F1 of each tag on the {judged_on} records, with intervals")


@svg.styled
def precision_recall(
    tags: Sequence[str],
    probs_NK: NDArray[np.floating],
    y_NK: NDArray[Any],
    rows: Sequence[TagRow],
    micro: Estimate,
) -> str:
    """All cells pooled, every tag in grey, and the three best and weakest tags with enough records by name."""
    true_NK: NDArray[np.bool_] = y_NK > 0
    figure = svg.new_figure(430)
    axes = figure.subplots()
    svg.plain_axes(axes)
    sure = sorted(
        (k for k, r in enumerate(rows) if r.verdict != "unsure" and r.average_precision is not None),
        key=lambda k: -(rows[k].average_precision or 0),
    )
    named = dict.fromkeys(sure[:3], svg.GOOD) | dict.fromkeys(sure[-3:], svg.WEAK) if len(sure) >= 6 else {}
    style: Any = {"drawstyle": "steps-post"}  # average precision is the area below these steps
    faint = [k for k in sure if k not in named]
    for k in faint[:: max(1, len(faint) // svg.MOST_TAGS)]:
        axes.plot(*_pr_points(true_NK[:, k], probs_NK[:, k]), color=svg.MUTED, lw=0.7, alpha=0.35, **style)
    dashes = ("-", (0, (4, 2)), (0, (1, 1.5)))
    for i, (k, colour) in enumerate(named.items()):
        text = f"{svg.label(tags[k], 22)} {rows[k].average_precision:.2f}"
        points = _pr_points(true_NK[:, k], probs_NK[:, k])
        axes.plot(*points, color=colour, linestyle=dashes[i % 3], lw=1.3, label=text, **style)
    if true_NK.any():
        text = f"all tags pooled {micro.value:.2f}"
        axes.plot(*_pr_points(true_NK.ravel(), probs_NK.ravel()), color=svg.ACCENT, lw=2.6, label=text, **style)
    axes.set(xlim=(0, 1.01), ylim=(0, 1.03), xlabel="recall", ylabel="precision")
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center", ncols=2, handlelength=2.2, columnspacing=1.2)
    return svg.to_svg(figure, "pr", "Precision against recall")


def _pr_points(y_N: NDArray[np.bool_], scores_N: NDArray[np.floating]) -> tuple[Floats, Floats]:
    if not y_N.any():
        return np.array([]), np.array([])
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(y_N, scores_N, drop_intermediate=True)
    if len(recall) > 3 * CURVE_POINTS:
        keep = np.unique(np.linspace(0, len(recall) - 1, 3 * CURVE_POINTS).astype(int))
        precision, recall = precision[keep], recall[keep]
    return recall, precision


@svg.styled
def reliability(probs_NK: NDArray[np.floating], y_NK: NDArray[Any], confidence: float) -> str:
    """Share of positives against mean probability in the bins of the ECE, all cells pooled, and how full each is.

    The intervals cover `confidence` and take the cells of a record as independent.
    """
    probs, y = probs_NK.ravel().astype(np.float64), (y_NK.ravel() > 0).astype(np.float64)
    bins = np.minimum((probs * NUM_BINS).astype(int), NUM_BINS - 1)
    counts = np.bincount(bins, minlength=NUM_BINS)
    filled = counts > 0
    mean_p = np.bincount(bins, probs, NUM_BINS)[filled] / counts[filled]
    share = np.bincount(bins, y, NUM_BINS)[filled] / counts[filled]
    # Wilson's interval (1927): sensible also where every or no cell of a bin is positive.
    n, z = counts[filled], NormalDist().inv_cdf(0.5 + confidence / 2)
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
    below.set(yscale="log", xlabel="predicted probability", ylabel="pairs")
    below.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    below.minorticks_off()
    return svg.to_svg(figure, "reliability", "Reliability diagram")


@svg.styled
def reliability_by_support(bands: Sequence[SupportBand]) -> str:
    """A line a band: share that is right against mean calibrated probability; the band of all tags is left out."""
    figure = svg.new_figure(330)
    axes = figure.subplots()
    svg.plain_axes(axes)
    axes.plot([0, 1], [0, 1], color=svg.MUTED, linewidth=1, linestyle=(0, (3, 3)))
    colours = (svg.WEAK, svg.FAIR, svg.GOOD, svg.ACCENT)
    for band, colour in zip(bands[1:], colours, strict=False):
        axes.plot(band.mean_B, band.share_B, "o-", color=colour, linewidth=1.2, ms=4, label=band.name)
    axes.set(xlabel="predicted probability", ylabel="share that is right", xlim=(-0.01, 1.01), ylim=(-0.02, 1.02))
    axes.legend(loc="upper left", handlelength=1.2)
    return svg.to_svg(figure, "reliability-by-support", "Reliability by how common the tags are in training")


@svg.styled
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


def tag_thresholds(
    tags: Sequence[str], probs_NK: NDArray[np.floating], y_NK: NDArray[Any], thresholds_K: NDArray[np.floating]
) -> dict[str, str]:
    """F1 against the threshold with the one that was chosen: tag → small plot, the commonest tags first."""
    shown = np.argsort(-(y_NK > 0).sum(0), kind="stable")[: svg.MOST_TAGS].tolist()
    grid = np.linspace(0.01, 0.99, 50)
    f1_TK = np.stack([_f1_K(probs_NK, y_NK, np.full(len(tags), t)) for t in grid])
    chosen_K = _f1_K(probs_NK, y_NK, thresholds_K)
    return {
        tags[k]: svg.small_panel(
            grid.tolist(),
            f1_TK[:, k].tolist(),
            mark=(float(thresholds_K[k]), float(chosen_K[k])),
            description=f"F1 of {tags[k]} against its threshold; {thresholds_K[k]:.2f} was chosen",
        )
        for k in shown
    }


def _f1_K(probs_NK: NDArray[np.floating], y_NK: NDArray[Any], thresholds_K: NDArray[np.floating]) -> Floats:
    counts = count(y_NK, probs_NK >= thresholds_K)
    sums = counts.predicted_SK[0] + counts.support_SK[0]
    f1_K: Floats = 2 * counts.true_positives_SK[0] / np.maximum(sums, 1)
    return f1_K
