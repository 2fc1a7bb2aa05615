"""Matplotlib figures as inline SVG that takes its colours and fonts from the page, light or dark."""

from __future__ import annotations

import functools
import html
import io
import re
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Stand-ins: matplotlib needs colours, the page's style sheet decides them.
INK, MUTED, LINE, ACCENT = "#010a01", "#010a02", "#010a03", "#010a04"
GOOD, FAIR, WEAK, SECOND, PAPER = "#010a05", "#010a06", "#010a07", "#010a08", "#010a09"
VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    ACCENT: "--accent",
    GOOD: "--good",
    FAIR: "--fair",
    WEAK: "--weak",
    SECOND: "--second",
    PAPER: "--paper",
}
P = ParamSpec("P")
R = TypeVar("R")

MOST_TAGS = 40
"""Above this many tags, plots show the first and the last half of it."""
WIDTH = 400
"""Width of a figure (unit: points, which become the units of its SVG)."""
STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 10.5,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.6,
    "path.simplify_threshold": 0.3,
}


def styled(plot: Callable[P, R]) -> Callable[P, R]:
    """Draw the plot in this module's style."""

    @functools.wraps(plot)
    def draw(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.rc_context(STYLE):
            return plot(*args, **kwargs)

    return draw


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure of that size in points, without background."""
    return Figure(figsize=(width / 72, height / 72), layout="constrained", facecolor="none")


def plain_axes(axes: Axes) -> None:
    """Transparent, so that the page shows through."""
    axes.set_facecolor("none")
    axes.tick_params(length=0)


def label(text: str, length: int = 26) -> str:
    r"""A tag as it stands beside an axis: one line, without control characters, not too long.

    >>> label("natural\nlanguage processing and more")
    'natural language processi…'
    """
    shown = "".join(" " if unicodedata.category(c).startswith(("C", "Z")) else c for c in text)
    shown = " ".join(shown.split())
    return shown if len(shown) <= length else shown[: length - 1] + "…"


def to_svg(figure: Figure, name: str, description: str) -> str:
    """The figure as one `<svg>` element; `name` keeps its ids apart from those of other figures in the page."""
    buffer = io.StringIO()
    with warnings.catch_warnings(), matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        # The browser has the letters that matplotlib's own font lacks.
        warnings.filterwarnings("ignore", message=".*[Gg]lyph", category=UserWarning)
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    # Within the markup only: what stands between the tags is the user's text.
    text = re.sub(r"<[^>]*>", lambda tag: _restyle(tag[0], name), text)
    view_box = re.search(r'viewBox="([^"]+)"', text)
    assert view_box is not None
    head = f'<svg role="img" aria-label="{html.escape(description, quote=True)}" viewBox="{view_box[1]}">'
    return re.sub(r"\n\s*", "\n", head + text[text.index(">") + 1 :]).strip()


def small_panel(x: Sequence[float], y: Sequence[float], mark: tuple[float, float], description: str) -> str:
    """A line in the unit square with one marked point: by hand, since forty figures would take matplotlib seconds.

    >>> small_panel([0, 1], [0.5, 1], mark=(0, 0.5), description="rises").count("<line")
    7
    """
    left, top, width, height = 18, 5, 128, 62

    def place(x: float, y: float) -> tuple[str, str]:
        return f"{left + width * x:.1f}", f"{top + height * (1 - y):.1f}"

    parts = []
    for value, name in ((0, "0"), (0.5, ".5"), (1, "1")):
        at_x, at_y = place(value, value)
        parts.append(f'<line class="grid" x1="{at_x}" x2="{at_x}" y1="{top}" y2="{top + height}"/>')
        parts.append(f'<line class="grid" x1="{left}" x2="{left + width}" y1="{at_y}" y2="{at_y}"/>')
        parts.append(f'<text x="{at_x}" y="{top + height + 12}" text-anchor="middle">{name}</text>')
        parts.append(f'<text x="{left - 5}" y="{float(at_y) + 3:.1f}" text-anchor="end">{name}</text>')
    points = " ".join(",".join(place(*point)) for point in zip(x, y, strict=True))
    at_x, at_y = place(*mark)
    parts.append(f'<polyline points="{points}"/>')
    parts.append(f'<line class="mark" x1="{at_x}" x2="{at_x}" y1="{top}" y2="{top + height}"/>')
    parts.append(f'<circle cx="{at_x}" cy="{at_y}" r="2.6"/>')
    label = html.escape(description, quote=True)
    return f'<svg class="panel" role="img" aria-label="{label}" viewBox="0 0 150 84">{"".join(parts)}</svg>'


def _restyle(markup: str, name: str) -> str:
    markup = re.sub(r"font-family:[^;\"]*;?|stroke-linejoin: miter;?", "", markup)
    markup = re.sub(r'\bid="', f'id="{name}-', markup)
    markup = re.sub(r'((?:xlink:)?href="#|url\(#)', rf"\1{name}-", markup)
    markup = re.sub(r"(\d+\.\d)\d+", r"\1", markup) if markup.startswith("<path") else markup
    for colour, variable in VARIABLES.items():
        markup = markup.replace(colour, f"var({variable})")
    return markup
