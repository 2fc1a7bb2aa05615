"""Pieces that tables for the terminal are made of, and numbers as people read them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text


def facts_grid(title: str, facts: Sequence[tuple[str, str]]) -> Group:
    """Names and values under a title."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", max_width=24)
    grid.add_column(overflow="fold")
    for name, value in facts:
        grid.add_row(name, Text(value))
    return Group(Text(title, style="bold"), grid, Text())


def new_table() -> Table:
    """An empty table without frame and title."""
    return Table(header_style="bold", box=SIMPLE_HEAD, show_edge=False, pad_edge=False)


def titled(title: str, table: Table, note: str = "") -> Group:
    """A title of its own, for rich folds a table's title to the table's width."""
    return Group(Text(title, style="bold"), table, *([Text(note, style="dim")] if note else []), Text())


def count_records(count: int) -> str:
    """A number of records, in words.

    >>> count_records(1), count_records(1200)
    ('1 record', '1,200 records')
    """
    return f"{count:,} record" + ("" if count == 1 else "s")


def percent(share: float) -> str:
    """A share in percent, with a digit more where it is small.

    >>> percent(0.254), percent(0.0312)
    ('25%', '3.1%')
    """
    return f"{share:.0%}" if share >= 0.1 or share == 0 else f"{share:.1%}"


def shorten(text: str, length: int) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"


def duration(seconds: float) -> str:
    """A duration for people.

    >>> duration(42), duration(192), duration(7384)
    ('42 s', '3 min 12 s', '2 h 3 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
