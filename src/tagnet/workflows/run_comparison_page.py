"""Runs side by side as one HTML page that needs nothing else, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from tagnet.atomic import write_text
from tagnet.evaluation import page, svg
from tagnet.evaluation.metrics import HEADLINE_KEYS
from tagnet.evaluation.tables import NAMES
from tagnet.evaluation.tag_differences import TagDifference
from tagnet.workflows.run_comparison import RunComparison
from tagnet.workflows.run_comparison_tables import change_words

_COLOURS = {"better": svg.GOOD, "worse": svg.WEAK, "unclear": svg.MUTED}


def write_comparison_page(path: Path, found: RunComparison) -> None:
    """Write the page; the file appears whole or not at all.

    Raises:
        RunDirectoryError: it cannot be written.
    """
    write_text(path, render_comparison_page(found))


def render_comparison_page(found: RunComparison) -> str:
    """The page as HTML. What comes from runs is escaped, and the page may load nothing."""
    return page.render(
        "tagnet.workflows",
        "run_comparison_page.html",
        {},
        found=found,
        runs={found.first: found.overall, **{each.name: each.overall for each in found.challengers}},
        keys=HEADLINE_KEYS,
        names=NAMES,
        confidence=f"{found.confidence:.0%}",
        words={each.name: change_words(each.tags) for each in found.challengers},
        plots={
            each.name: Markup(tag_forest(each.tags, f"forest{number}")) for number, each in enumerate(found.challengers)
        },
    )


def to_plain(found: RunComparison) -> dict[str, Any]:
    """What compare.json holds: every metric and every tag, with intervals."""
    return {
        "first": found.first,
        "records": found.num_records,
        "overall": {name: estimate.to_plain() for name, estimate in found.overall.items()},
        "runs": {
            each.name: {
                "overall": {name: estimate.to_plain() for name, estimate in each.overall.items()},
                "differences": {name: estimate.to_plain() for name, estimate in each.differences.items()},
                "settings": {key: list(values) for key, values in each.settings.items()},
                "tags": {tag.tag: _tag(tag) for tag in each.tags},
            }
            for each in found.challengers
        },
        "features": [
            {
                "features": list(gain.features),
                "without": gain.without,
                "with": gain.having,
                "differences": {name: estimate.to_plain() for name, estimate in gain.differences.items()},
            }
            for gain in found.feature_gains
        ],
        "warnings": list(found.warnings),
        "passed": found.passed,
    }


def _tag(tag: TagDifference) -> dict[str, Any]:
    return {
        "support": tag.support,
        "f1_before": tag.f1_before,
        "f1": tag.f1,
        "f1_difference": tag.f1_difference.to_plain(),
        "average_precision_before": tag.ap_before,
        "average_precision": tag.ap,
        "change": tag.change,
        "dropped": tag.dropped,
    }


@svg.styled
def tag_forest(tags: Sequence[TagDifference], name: str) -> str:
    """The difference in F1 of every tag with its interval; of many tags the most changed."""
    shown = sorted(tags, key=lambda tag: (-abs(tag.f1_difference.value), tag.tag))[: svg.MOST_TAGS]
    shown = sorted(shown, key=lambda tag: (tag.f1_difference.value, tag.tag))
    figure = svg.new_figure(15 * len(shown) + 40)
    axes = figure.subplots()
    svg.plain_axes(axes)
    axes.axvline(0, color=svg.LINE)
    for row, tag in enumerate(shown):
        gap, colour = tag.f1_difference, _COLOURS[tag.change]
        axes.plot([gap.low, gap.high], [row, row], color=colour, linewidth=1.2)
        axes.plot(gap.value, row, marker="o", ms=4, color=colour)
    axes.set_yticks(range(len(shown)), [svg.label(tag.tag) for tag in shown])
    axes.set_ylim(-0.7, len(shown) - 0.3)
    axes.set_xlabel("difference in F1")
    return svg.to_svg(figure, name, "Difference in F1 of every tag, with its interval")
