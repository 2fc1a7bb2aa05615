"""Runs side by side on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tagnet.evaluation.intervals import Estimate
from tagnet.evaluation.metrics import HEADLINE_KEYS, LOWER_IS_BETTER
from tagnet.evaluation.table_parts import count_records, new_table, shorten, titled
from tagnet.evaluation.tables import NAMES, comparison_table
from tagnet.evaluation.tag_differences import TagDifference
from tagnet.workflows.run_comparison import Challenger, FeatureGain, RunComparison

MOST_SHOWN = 20
"""Tags that are listed of each run unless all are asked for."""
_MOST_IN_CELL = 40
_STYLES = {"better": "green", "worse": "red", "unclear": ""}


def comparison_tables(found: RunComparison, console: Console, *, everything: bool = False) -> Group:
    """The runs' metrics, how each differs from the first, the tags that changed, and what further features brought."""
    models = {found.first: found.overall, **{each.name: each.overall for each in found.challengers}}
    title = f"On the {count_records(found.num_records)} of test that all have, {len(found.tags)} tags"
    parts: list[Any] = [comparison_table(models, console, title), Text()]
    for challenger in found.challengers:
        parts.append(_differences(f"{challenger.name} minus {found.first}", challenger.differences, found.confidence))
        parts.append(_settings(challenger, found.first))
        parts.append(_tags(challenger, found, console, everything=everything))
    parts += [_feature_gain(gain, found.confidence) for gain in found.feature_gains]
    return Group(*parts)


def gate_lines(found: RunComparison) -> list[str]:
    """What the gate says: each tag that dropped, or that none did."""
    lines = [
        f"{challenger.name}: {tag.tag} dropped from F1 {tag.f1_before:.2f} (at least {tag.f1_before_low:.2f}) to "
        f"{tag.f1:.2f}, {count_records(tag.support)}"
        for challenger in found.challengers
        for tag in challenger.dropped
    ]
    return lines or [f"no tag dropped below its interval in {found.first}"]


def change_words(tags: Sequence[TagDifference]) -> str:
    """How many tags changed, in words.

    >>> change_words([])
    '0 tags better, 0 worse, 0 unclear'
    """
    counts = {change: sum(tag.change == change for tag in tags) for change in ("better", "worse", "unclear")}
    return f"{counts['better']} tags better, {counts['worse']} worse, {counts['unclear']} unclear"


def _differences(title: str, differences: Mapping[str, Estimate], confidence: float) -> Group:
    table = new_table()
    table.add_column("metric", no_wrap=True)
    for name in ("difference", f"{confidence:.0%} interval"):
        table.add_column(name, justify="right", no_wrap=True)
    for key in HEADLINE_KEYS:
        found = differences[key]
        gain = -1 if key in LOWER_IS_BETTER else 1
        better, worse = min(gain * found.low, gain * found.high) > 0, max(gain * found.low, gain * found.high) < 0
        style = "green" if better else "red" if worse else ""
        table.add_row(NAMES[key], f"{found.value:+.3f}", f"{found.low:+.3f} to {found.high:+.3f}", style=style)
    return titled(title, table, "Paired over the same resamples of the records; it says nothing of other seeds.")


def _settings(challenger: Challenger, first: str) -> Group:
    if not challenger.settings:
        return Group(Text("The settings are the same.", style="dim"), Text())
    table = new_table()
    for name in ("setting", first, challenger.name):
        table.add_column(escape(name), overflow="fold")
    for key, (before, now) in challenger.settings.items():
        table.add_row(key, *(escape(shorten(str(value), _MOST_IN_CELL)) for value in (before, now)))
    return titled("Settings that differ", table)


def _tags(challenger: Challenger, found: RunComparison, console: Console, *, everything: bool) -> Group:
    changed = sorted(challenger.tags, key=lambda tag: (tag.f1_difference.value, tag.tag))
    if not everything:
        changed = [tag for tag in changed if tag.change != "unclear"][:MOST_SHOWN]
    by_chance = len(challenger.tags) * (1 - found.confidence)
    note = f"{change_words(challenger.tags)}; without any true change about {by_chance:.0f} would seem to have one."
    if not changed:
        return Group(Text(f"Tags of {challenger.name}", style="bold"), Text(note, style="dim"), Text())
    return titled(f"Tags of {challenger.name}", _tag_table(changed, console), note)


def _tag_table(tags: Sequence[TagDifference], console: Console) -> Table:
    wide = console.width >= 84
    table = new_table()
    table.add_column("tag", overflow="fold")
    for name in ("records", "F1 before", "F1", "difference", "interval", *(("AP before", "AP") if wide else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for tag in tags:
        gap = tag.f1_difference
        cells = [str(tag.support), f"{tag.f1_before:.2f}", f"{tag.f1:.2f}", f"{gap.value:+.2f}"]
        cells.append(f"{gap.low:+.2f} to {gap.high:+.2f}")
        cells += ["–" if ap is None else f"{ap:.2f}" for ap in (tag.ap_before, tag.ap)] if wide else []
        table.add_row(escape(tag.tag), *cells, style=_STYLES[tag.change])
    return table


def _feature_gain(gain: FeatureGain, confidence: float) -> Group:
    title = f"What {', '.join(gain.features)} brought: {gain.having} minus {gain.without}"
    best = sorted(gain.tags, key=lambda tag: -tag.f1_difference.value)
    helped = ", ".join(tag.tag for tag in best[:5] if tag.change == "better") or "none beyond chance"
    return Group(_differences(title, gain.differences, confidence), Text(f"Tags that gained: {helped}"), Text())
