"""One tag, as tables for the terminal."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.text import Text

from tagnet.evaluation.table_parts import count_records, facts_grid, new_table, percent, shorten, titled
from tagnet.evaluation.tag_view import Excerpt, TagView

MOST_MISSING = 8
"""Records that may lack the tag; the rest is counted."""
_EXCERPT = 240


def tag_tables(view: TagView, console: Console) -> Group:
    """Everything in a `TagView`."""
    facts = [
        ("records", f"{view.count:,}, {percent(view.share)} of those kept"),
        ("sides", ", ".join(f"{side} {n:,} ({percent(share)})" for side, (n, share) in view.sides.items())),
        ("aliases", ", ".join(view.aliases) or "none"),
        ("parents", ", ".join(view.parents) or "none"),
        ("children", ", ".join(view.children) or "none"),
    ]
    if view.asked != view.tag:
        facts.insert(0, ("asked for", f"{view.asked}, an alias of {view.tag}"))
    return Group(
        facts_grid(view.tag, facts),
        _companion_table(view),
        _word_table(view, console),
        Text(f"Examples, {len(view.examples)} of {view.count:,}", style="bold"),
        *(_excerpt(excerpt) for excerpt in view.examples),
        Text(),
        Text(f"Likely missing: {count_records(len(view.likely_missing))} whose text names the tag", style="bold"),
        *(_excerpt(excerpt) for excerpt in view.likely_missing[:MOST_MISSING]),
        *(_more(len(view.likely_missing) - MOST_MISSING, "all are in the page that --output writes")),
    )


def _companion_table(view: TagView) -> RenderableType:
    if not view.companions:
        return Text("No other tag stands with it.")
    table = new_table()
    table.add_column("tag", overflow="fold")
    for name in ("records", "share", "lift"):
        table.add_column(name, justify="right")
    for other in view.companions:
        table.add_row(escape(other.tag), f"{other.count:,}", percent(other.share), f"{other.lift:.1f}")
    return titled("Tags that stand with it", table)


def _word_table(view: TagView, console: Console) -> RenderableType:
    if not view.words:
        return Text("No word is typical for it.")
    table = new_table()
    table.add_column("word", overflow="fold")
    for name in ("with it", "without", "log odds") if console.width >= 40 else ("with it", "without"):
        table.add_column(name, justify="right")
    for word in view.words:
        cells = (percent(word.share_inside), percent(word.share_outside), f"{word.log_odds:+.1f}")
        table.add_row(escape(word.word), *cells[: len(table.columns) - 1])
    return titled("Words typical for it", table)


def _excerpt(excerpt: Excerpt) -> Text:
    text = Text(f"{excerpt.id} ", style="bold")
    named = f"names {excerpt.named}; " if excerpt.named else ""
    text.append(f"{excerpt.side or 'on no side'}; {named}{', '.join(excerpt.tags) or 'no tags'}\n", style="dim")
    return text.append(shorten(" ".join(excerpt.text.split()), _EXCERPT), style="not bold")


def _more(count: int, where: str) -> tuple[Text, ...]:
    return (Text(f"and {count:,} more; {where}", style="dim"),) if count > 0 else ()
