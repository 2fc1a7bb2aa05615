"""The data before training as one HTML page that needs nothing else, neither files nor network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath

from markupsafe import Markup

from tagnet.data.prepare import Prepared
from tagnet.evaluation import data_plots, page, record_plots, svg
from tagnet.evaluation.data_view import FEW_RECORDS, DataView, side_of_records
from tagnet.evaluation.excerpt import excerpt, rest
from tagnet.evaluation.table_parts import percent
from tagnet.evaluation.tag_view import TagView
from tagnet.evaluation.token_lengths import TokenView

MOST_LISTED = 60
"""Entries of a list of tags, rows, pairs or records; the rest is counted."""


def render_page(
    prepared: Prepared,
    view: DataView,
    tokens: TokenView | None = None,
    tag: TagView | None = None,
    overrides: Sequence[str] = (),
) -> str:
    """The page as HTML.

    Everything that comes from the records is escaped, and the page's own policy forbids it to load or run anything
    but what is in it. Unpaired surrogates, which only the command line can bring, are replaced.

    Args:
        prepared: for the plots.
        view: its numbers.
        tokens: lengths; None leaves them out.
        tag: one tag to look at closely; None leaves it out.
        overrides: the settings that were given, to be shown.
    """
    rendered = page.render(
        "tagnet.evaluation",
        "data_page.html",
        {"percent": percent, "number": _number, "excerpt": excerpt, "rest": rest},
        view=view,
        name=PurePath(view.source).name or view.source,
        tokens=tokens,
        one=tag,
        overrides=overrides,
        plots={name: Markup(drawn) for name, drawn in _plots(prepared, view, tokens).items()},
        fates=_fates(view),
        few=FEW_RECORDS,
        listed=MOST_LISTED,
        most_tags=svg.MOST_TAGS,
    )
    return rendered.encode("utf-8", "replace").decode("utf-8")


def _plots(prepared: Prepared, view: DataView, tokens: TokenView | None) -> dict[str, str]:
    corpus = prepared.corpus
    tags = corpus.label_space.tags
    made = {
        "frequencies": data_plots.frequencies(tags, corpus.y_NK),
        "tags_a_record": record_plots.tags_a_record(view.tags_a_record),
    }
    if len(tags) > 1:
        made["cooccurrence"] = data_plots.cooccurrence(tags, corpus.y_NK)
    if tokens is not None:
        made["lengths"] = record_plots.lengths(tokens.lengths_N, tokens.text.limit)
    sides = side_of_records(prepared.split, len(corpus.records))
    dated = [(r.created_on, side) for r, side in zip(corpus.records, sides, strict=True) if r.created_on is not None]
    if dated:
        made["dates"] = record_plots.dates([moment for moment, _ in dated], [side for _, side in dated])
    return made


def _fates(view: DataView) -> list[tuple[str, Mapping[str, int], str]]:
    """What happened to tags as written: a title, tag → records, a remark."""
    return [
        ("Outside the taxonomy, dropped", view.outside_taxonomy, "With the number of records that bear each."),
        ("Aliases that stand for a tag", view.resolved_aliases, "With the number of records that write each."),
        (f"Borne by fewer than {view.min_count} records, dropped", view.below_min_count, "With their records."),
        ("Left out by labels.exclude", view.excluded, "With the number of records that bear each."),
    ]


def _number(value: float, digits: int = 0) -> str:
    return f"{value:,.{digits}f}"
