"""The data before training, as tables for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.text import Text

from tagnet.evaluation.data_view import FEW_RECORDS, DataView, Field, SplitView, TagCount
from tagnet.evaluation.table_parts import count_records, facts_grid, new_table, percent, shorten, titled
from tagnet.evaluation.token_lengths import TokenView
from tagnet.records.record import Record

MOST_NAMED = 10
"""Entries of a list of tags; the rest is counted."""
MOST_SHOWN = 8
"""Tags of either end of the label space."""


def data_tables(view: DataView, console: Console) -> Group:
    """Everything in a `DataView`, in the order in which it happens to the data."""
    parts: list[RenderableType] = [
        facts_grid("Records", _record_facts(view)),
        field_table(view.fields),
    ]
    if view.skipped:
        parts.append(_skip_table(view))
    parts += [
        facts_grid("Tags", _tag_facts(view)),
        _tag_table(view.tags, view.split.sizes, console),
        facts_grid("What became of the tags as written", _fate_facts(view)),
        facts_grid("Split", _split_facts(view.split)),
    ]
    if view.split.crossing:
        parts.append(_crossing_table(view.split))
    if view.rare:
        listed = [f"{tag.tag} {tag.sides['train']}" for tag in view.rare]
        parts.append(facts_grid(f"Rare: fewer than {FEW_RECORDS} training records", [("tags", _some(listed, 40))]))
    return Group(*parts)


def warning_lines(warnings: Sequence[str]) -> Group:
    """The warnings, one after the other."""
    title = Text("Warnings" if warnings else "No warnings", style="bold yellow" if warnings else "green")
    return Group(title, *(Text(f"• {warning}") for warning in warnings))


def field_table(fields: Sequence[Field]) -> Group:
    """The schema that was found."""
    table = new_table()
    right = ("empty", "mean characters")
    for name in ("field", "column", "what", *right):
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for field in fields:
        length = "–" if field.mean_length is None else f"{field.mean_length:,.1f}"
        what = "text, read" if field.in_text else "text, not read" if field.kind == "text" else field.kind
        column = escape(field.column) if field.column != field.name else "[dim]same[/dim]"
        cells = (f"{field.num_empty:,}", f"{length} tags" if field.kind == "tags" and field.mean_length else length)
        table.add_row(escape(field.name), column, what, *cells)
    return titled("Fields", table)


def written_table(records: Sequence[Record]) -> Group:
    """The commonest tags as the file writes them: what is left to show where no label space comes about."""
    counts = Counter(tag for record in records for tag in record.tags)
    table = new_table()
    table.add_column("tag", overflow="fold")
    table.add_column("records", justify="right")
    for tag, count in counts.most_common(2 * MOST_SHOWN):
        table.add_row(escape(tag), f"{count:,}")
    return titled(f"The commonest of {len(counts):,} tags, as written, in {count_records(len(records))}", table)


def token_table(view: TokenView, console: Console) -> Group:
    """Lengths in tokens, of the whole text and of each field; narrow terminals see fewer percentiles."""
    table = new_table()
    table.add_column("of", overflow="fold")
    wide = console.width >= 72
    names = ("mean", "median", "95 %", "99 %", "longest", "limit", "over it")
    shown = names if wide else ("mean", "95 %", "longest", "limit", "over it")
    for name in shown:
        table.add_column(name, justify="right", no_wrap=True)
    for lengths in (view.text, *view.features):
        percentiles = (lengths.median, lengths.percentile_95, lengths.percentile_99, lengths.longest)
        over = f"[yellow]{lengths.num_over:,}[/yellow]" if lengths.num_over else "0"
        limit = ("–", "–") if lengths.limit is None else (f"{lengths.limit:,}", over)
        cells = dict(zip(names, (f"{lengths.mean:,.1f}", *(f"{n:,}" for n in percentiles), *limit), strict=True))
        name = "[bold]whole text[/bold]" if lengths is view.text else escape(lengths.name)
        table.add_row(name, *(cells[name] for name in shown))
    note = ""
    if view.text.num_over:
        how = "are cut" if view.window_overlap is None else f"are read in windows that share {view.window_overlap}"
        note = f"Texts over the limit {how}."
    return titled(f"Tokens, by the tokenizer of {view.encoder}", table, note)


def _record_facts(view: DataView) -> list[tuple[str, str]]:
    facts = [
        ("source", view.source),
        ("taxonomy", view.taxonomy or "none: tags are taken as they stand"),
        ("rows read", f"{view.num_rows:,}"),
        ("skipped", f"{view.num_skipped:,}"),
        ("dropped", f"{view.num_untagged_dropped:,} without any kept tag"),
        ("kept", f"{view.num_records:,}"),
    ]
    if view.dates:
        facts.append(("dates", f"{view.dates[0]:%Y-%m-%d} to {view.dates[1]:%Y-%m-%d}"))
    return facts


def _tag_facts(view: DataView) -> list[tuple[str, str]]:
    most = len(view.tags_a_record) - 1
    rarest, commonest = view.tags[-1], view.tags[0]
    return [
        ("label space", f"{len(view.tags):,} tags"),
        ("positives", f"{view.num_positives:,}"),
        ("tags a record", f"{view.mean_tags:.2f} on average, {most} at most"),
        ("commonest", f"{commonest.tag}: {count_records(commonest.count)}, {percent(commonest.share)}"),
        ("rarest", f"{rarest.tag}: {count_records(rarest.count)}, {percent(rarest.share)}"),
        ("imbalance", f"commonest to rarest {view.imbalance:.1f} to 1"),
    ]


def _fate_facts(view: DataView) -> list[tuple[str, str]]:
    return [
        ("as written", f"{view.num_tags_written:,} different tags"),
        ("outside the taxonomy", _counted(view.outside_taxonomy)),
        ("aliases resolved", _counted(view.resolved_aliases)),
        (f"fewer than {count_records(view.min_count)}", _counted(view.below_min_count)),
        ("excluded", _counted(view.excluded)),
    ]


def _split_facts(split: SplitView) -> list[tuple[str, str]]:
    total = sum(split.sizes.values())
    sizes = ", ".join(f"{side} {size:,} ({percent(size / total)})" for side, size in split.sizes.items())
    facts = [
        ("method", split.source),
        ("sizes", sizes + (f"; {split.num_outside:,} on no side" if split.num_outside else "")),
        ("evenness", f"{split.quality:.2f}, a random split {split.naive_quality:.2f} (0 is even)"),
        ("tags that train lacks", _some(split.unseen, MOST_NAMED) if split.unseen else "none"),
    ]
    if split.num_duplicate_groups:
        word = "group" if split.num_duplicate_groups == 1 else "groups"
        groups = f"{split.num_duplicate_records:,} records in {split.num_duplicate_groups:,} {word}"
        crossing = f"{len(split.crossing):,} with another side" if split.crossing else "none across sides"
        facts.append(("near-duplicates", f"{groups}, {crossing}"))
    else:
        facts.append(("near-duplicates", "none"))
    return facts


def _tag_table(tags: Sequence[TagCount], sizes: Mapping[str, int], console: Console) -> Group:
    cut = len(tags) > 2 * MOST_SHOWN + 1
    table = new_table()
    table.add_column("tag", overflow="fold")
    table.add_column("records", justify="right")
    table.add_column("share", justify="right")
    sides = list(sizes) if console.width >= 56 else []
    for side in sides:
        table.add_column(side, justify="right")
    for number, tag in enumerate(tags):
        if cut and MOST_SHOWN <= number < len(tags) - MOST_SHOWN:
            if number == MOST_SHOWN:
                table.add_row(f"[dim]… {len(tags) - 2 * MOST_SHOWN:,} more[/dim]")
            continue
        counts = (f"{tag.sides[side]:,}" for side in sides)
        table.add_row(escape(tag.tag), f"{tag.count:,}", percent(tag.share), *counts)
    return titled(f"The commonest and the rarest {MOST_SHOWN}" if cut else "All tags", table)


def _skip_table(view: DataView) -> Group:
    table = new_table()
    table.add_column("rows", justify="right")
    for name in ("field", "expected", "the first"):
        table.add_column(name, overflow="fold")
    for reason in view.skipped[:MOST_NAMED]:
        first = f"row {reason.first.row}: {reason.first.found}"
        table.add_row(f"{reason.count:,}", escape(reason.field), escape(reason.expected), escape(first))
    return titled("Rows that cannot be used", table)


def _crossing_table(split: SplitView) -> Group:
    table = new_table()
    for name in ("id", "side", "title"):
        table.add_column(name, overflow="fold")
    for number, pair in enumerate(split.crossing[:MOST_NAMED]):
        if number:
            table.add_section()
        table.add_row(escape(str(pair.earlier)), pair.earlier_side, escape(shorten(pair.earlier_title, 80)))
        table.add_row(escape(str(pair.later)), pair.later_side, escape(shorten(pair.later_title, 80)))
    rest = len(split.crossing) - MOST_NAMED
    return titled("Near-identical records on two sides", table, f"and {rest:,} more" if rest > 0 else "")


def _counted(counts: Mapping[str, int]) -> str:
    if not counts:
        return "none"
    listed = [f"{tag} {count:,}" for tag, count in islice(counts.items(), MOST_NAMED)]
    return f"{len(counts):,}: " + _some(listed, MOST_NAMED, len(counts))


def _some(names: Sequence[str], most: int, total: int | None = None) -> str:
    rest = (len(names) if total is None else total) - min(most, len(names))
    return ", ".join(names[:most]) + (f" and {rest:,} more" if rest else "")
