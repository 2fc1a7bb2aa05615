"""A cross-validation on the terminal."""

from __future__ import annotations

from rich.console import Console, Group
from rich.markup import escape
from rich.text import Text

from tagnet.evaluation.metrics import HEADLINE_KEYS
from tagnet.evaluation.table_parts import new_table, titled
from tagnet.evaluation.tables import MODEL_NAMES, NAMES, comparison_table
from tagnet.workflows.crossval import Crossval

_MOST_TAGS = 20


def crossval_tables(found: Crossval, console: Console, title: str) -> Group:
    """Model and baselines, the paired differences, and the tags from best to worst."""
    models = {"tagnet": found.overall, **found.baselines}
    parts = [Group(comparison_table(models, console, title), Text())]
    if found.differences:
        parts.append(_differences(found))
    return Group(*parts, _tags(found))


def _differences(found: Crossval) -> Group:
    keys = [key for key in HEADLINE_KEYS if key != "ece"]
    table = new_table()
    table.add_column("tagnet minus", overflow="fold")
    for key in keys:
        table.add_column(NAMES[key], justify="right")
    for name, scores in found.differences.items():
        cells = [f"{scores[key].value:+.3f} ({scores[key].low:+.3f} to {scores[key].high:+.3f})" for key in keys]
        table.add_row(escape(MODEL_NAMES.get(name, name)), *cells)
    return titled("Paired, run by run", table, "Intervals by Student's t, corrected for what the runs' records share.")


def _tags(found: Crossval) -> Group:
    ranked = sorted(found.tags, key=lambda tag: (-tag.f1, tag.tag))
    shown = ranked if len(ranked) <= _MOST_TAGS else [*ranked[: _MOST_TAGS // 2], *ranked[-_MOST_TAGS // 2 :]]
    table = new_table()
    table.add_column("tag", overflow="fold")
    for name in ("records", "precision", "recall", "F1", "AP"):
        table.add_column(name, justify="right", no_wrap=True)
    for tag in shown:
        ap = "–" if tag.average_precision is None else f"{tag.average_precision:.2f}"
        table.add_row(
            escape(tag.tag), str(tag.support), f"{tag.precision:.2f}", f"{tag.recall:.2f}", f"{tag.f1:.2f}", ap
        )
    note = "" if len(shown) == len(ranked) else f"The best and the worst of {len(ranked)}; all are in per_tag.csv."
    return titled("Tags, out of fold", table, note)
