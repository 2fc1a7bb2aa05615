"""Slices for people: tables that fit a terminal, a page with a plot, and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from markupsafe import Markup
from rich.console import Group
from rich.text import Text

from tagnet.atomic import write_text
from tagnet.evaluation import page, svg
from tagnet.evaluation.excerpt import excerpt
from tagnet.evaluation.slices.judged import Judged
from tagnet.evaluation.slices.report import SliceReport, SliceRow
from tagnet.evaluation.table_parts import new_table, shorten, titled

_FEWEST, _WIDEST = 20, 34
_EXAMPLES = 5


class Difference(Protocol):
    """What a table of differences shows of a slice."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def f1_first(self) -> float: ...  # noqa: D102
    @property
    def f1_second(self) -> float: ...  # noqa: D102
    @property
    def f1_low(self) -> float: ...  # noqa: D102
    @property
    def f1_high(self) -> float: ...  # noqa: D102
    @property
    def log_loss(self) -> float: ...  # noqa: D102
    @property
    def q(self) -> float: ...  # noqa: D102


def report_tables(report: SliceReport, num_records: int, *, everything: bool) -> Group:
    """The worst slices, and all named ones."""
    table = new_table()
    table.add_column("slice", max_width=_WIDEST, overflow="ellipsis", no_wrap=True)
    for column, width in (("n", 4), ("micro F1, 95%", 14), ("surprise", 8), ("z", 4), ("q", 5)):
        table.add_column(column, justify="right", no_wrap=True, min_width=width)
    shown = report.rows if everything else report.rows[:_FEWEST]
    shown = (*shown, *(row for row in report.rows[len(shown) :] if row.kind == "named"))
    for row in shown:
        f1 = f"{row.f1_micro:.2f} {row.f1_low:.2f}–{row.f1_high:.2f}"
        style = "bold red" if row.q <= report.fdr else ""
        cells = (str(row.size), f1, f"{row.surprise:+.2f}", f"{row.evidence:+.1f}", f"{row.q:.3f}")
        table.add_row(Text(shorten(row.name, _WIDEST), style=style), *cells)
    note = (
        f"Of all {num_records} records: micro F1 {report.overall_f1:.2f}, surprise {report.overall_surprise:+.2f}. "
        "Surprise: log loss less what the model expects (nats a record); z: how far it is above that of all. "
        f"q ≤ {report.fdr:g}: at most that share of the {len(report.bad)} marked ones is marked by chance."
    )
    title = f"{report.num_tested} slices, {len(report.bad)} worse than the rest"
    if len(shown) < len(report.rows):
        note += f" --all lists all {len(report.rows)}."
    return titled(title, table, note)


def difference_table(rows: Sequence[Difference], first: str, second: str, fdr: float, *, everything: bool) -> Group:
    """Two runs slice by slice."""
    table = new_table()
    table.add_column("slice", max_width=_WIDEST, overflow="ellipsis", no_wrap=True)
    for column, width in (("n", 4), ("F1", 4), ("then", 4), ("difference, 95%", 17), ("loss", 5), ("q", 5)):
        table.add_column(column, justify="right", no_wrap=True, min_width=width)
    shown = rows if everything else rows[:_FEWEST]
    for row in shown:
        colour = "" if row.q > fdr else "green" if row.log_loss < 0 else "bold red"
        gap = f"{row.f1_second - row.f1_first:+.2f} {row.f1_low:+.2f}–{row.f1_high:+.2f}"
        cells = (f"{row.f1_first:.2f}", f"{row.f1_second:.2f}", gap, f"{row.log_loss:+.2f}", f"{row.q:.3f}")
        table.add_row(Text(shorten(row.name, _WIDEST), style=colour), str(row.size), *cells)
    note = f"Micro F1 of {first}, then {second}; log loss: mean difference a record, below 0 where {second} is better."
    return titled(f"{len(rows) - 1} slices of {rows[0].size} records", table, note)


def to_plain(report: SliceReport, judged: Judged) -> dict[str, Any]:
    """What slices.json holds."""
    return {
        "records": len(judged.ids),
        "fdr": report.fdr,
        "tested": report.num_tested,
        "f1_micro": report.overall_f1,
        "surprise": report.overall_surprise,
        "slices": [_plain(row, report, judged) for row in report.rows],
    }


def _plain(row: SliceRow, report: SliceReport, judged: Judged) -> dict[str, Any]:
    names = "name kind size share num_judged f1_macro f1_micro f1_low f1_high log_loss surprise evidence"
    plain = {name: getattr(row, name) for name in names.split()}
    members = [judged.ids[i] for i in np.flatnonzero(row.member_N)]
    return plain | {"p": row.p, "q": row.q, "bad": row.q <= report.fdr, "alike": list(row.alike), "ids": members}


def write_slices_page(path: Path, report: SliceReport, judged: Judged, name: str) -> None:
    """Write the page; the file appears whole or not at all.

    Raises:
        RunDirectoryError: it cannot be written.
    """
    shown = report.rows[: svg.MOST_TAGS]
    content = page.render(
        "tagnet.evaluation.slices",
        "slices_page.html",
        {},
        name=name,
        report=report,
        num_records=len(judged.ids),
        rows=report.rows,
        examples={row.name: _examples(row, judged) for row in report.bad[:10]},
        plot=Markup(_plot(shown, report.overall_f1, report.fdr)) if shown else "",
    )
    write_text(path, content)


def _examples(row: SliceRow, judged: Judged) -> list[dict[str, str]]:
    """The slice's most surprising records."""
    inside = np.flatnonzero(row.member_N)
    worst = inside[np.argsort(-judged.surprise_N[inside], kind="stable")][:_EXAMPLES]
    return [
        {
            "id": str(judged.ids[i]),
            "text": excerpt(judged.texts[i]),
            "tags": ", ".join(judged.tags[k] for k in np.flatnonzero(judged.y_NK[i])) or "–",
            "given": ", ".join(judged.tags[k] for k in np.flatnonzero(judged.accepted_NK[i])) or "–",
        }
        for i in worst.tolist()
    ]


@svg.styled
def _plot(rows: Sequence[SliceRow], overall: float, fdr: float) -> str:
    """Micro F1 of the slices with the most evidence, the worst at the top."""
    figure = svg.new_figure(15 * len(rows) + 40)
    axes = figure.subplots()
    svg.plain_axes(axes)
    axes.axvline(overall, color=svg.LINE)
    for place, row in enumerate(reversed(rows)):
        colour = svg.WEAK if row.q <= fdr else svg.MUTED
        axes.plot([row.f1_low, row.f1_high], [place, place], color=colour, linewidth=1.2)
        axes.plot(row.f1_micro, place, marker="o", ms=4, color=colour)
    axes.set_yticks(range(len(rows)), [svg.label(row.name) for row in reversed(rows)])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlabel("micro F1, and of all records (line)")
    return svg.to_svg(figure, "slices", "Micro F1 of slices, with intervals")
