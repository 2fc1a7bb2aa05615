"""The plots of the records themselves: how often tags occur, and with which others.

Legend: N records, K tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from tagnet.evaluation import svg


@svg.styled
def frequencies(tags: Sequence[str], y_NK: NDArray[Any]) -> str:
    """How many records bear each tag, commonest first."""
    counts_K = (y_NK > 0).sum(0)
    order = np.argsort(-counts_K, kind="stable")
    cut = len(order) > svg.MOST_TAGS
    shown = np.concatenate([order[: svg.MOST_TAGS // 2], order[-svg.MOST_TAGS // 2 :]]) if cut else order
    figure = svg.new_figure(14 * len(shown) + 30)
    axes = figure.subplots()
    svg.plain_axes(axes)
    axes.barh(range(len(shown)), counts_K[shown], color=svg.ACCENT, alpha=0.75, height=0.7)
    for y, k in enumerate(shown):
        at: Any = {"xytext": (3, 0), "textcoords": "offset points", "va": "center", "fontsize": 8.5}
        axes.annotate(f"{counts_K[k]:,}", (counts_K[k], y), **at, color=svg.MUTED)
    if cut:
        axes.axhline(svg.MOST_TAGS // 2 - 0.5, color=svg.MUTED, linewidth=1, linestyle=(0, (3, 3)))
    axes.set_yticks(range(len(shown)), [svg.label(tags[k]) for k in shown])
    axes.tick_params(axis="y", labelcolor=svg.INK)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0, max(1, counts_K.max()) * 1.09)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    return svg.to_svg(figure, "frequencies", "Records that bear each tag")


@svg.styled
def cooccurrence(tags: Sequence[str], y_NK: NDArray[Any], most: int = 20) -> str:
    """Of the records with the row's tag, the share that bears the column's; the commonest tags."""
    y = (y_NK > 0).astype(np.float64)
    shown = np.argsort(-y.sum(0), kind="stable")[:most]
    both_KK = y[:, shown].T @ y[:, shown]
    share_KK = both_KK / np.maximum(1, np.diag(both_KK))[:, None]
    figure = svg.new_figure(430)
    axes = figure.subplots()
    svg.plain_axes(axes)
    for i, j in np.argwhere(share_KK >= 0.01).tolist():
        share = float(share_KK[i, j])
        colour, alpha = (svg.LINE, 1.0) if i == j else (svg.ACCENT, share)
        axes.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, color=colour, alpha=alpha, lw=0))
        if i != j and share >= 0.2:
            written = svg.PAPER if share > 0.55 else svg.INK
            axes.text(j, i, f"{100 * share:.0f}", ha="center", va="center", fontsize=6.5, color=written)
    names = [svg.label(tags[k], 22) for k in shown]
    axes.set_xticks(range(len(shown)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(shown)), names, fontsize=8)
    axes.tick_params(labelcolor=svg.INK)
    axes.set(xlim=(-0.5, len(shown) - 0.5), ylim=(len(shown) - 0.5, -0.5), aspect="equal")
    axes.grid(visible=False)
    return svg.to_svg(figure, "cooccurrence", "How often tags stand together")
