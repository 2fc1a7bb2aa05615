"""A sweep on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console, Group
from rich.markup import escape
from rich.text import Text

from tagnet.evaluation.table_parts import duration, new_table, shorten, titled
from tagnet.workflows.importance import Importances
from tagnet.workflows.study_view import STATES, State, StudyView, short_names, value_text, verdict

MOST_SHOWN = 20
"""Trials that are listed unless all are asked for."""
_MOST_IN_CELL = 24
_BAR = 20
_BETWEEN = 3
_STYLES: dict[State, str] = {"complete": "", "pruned": "dim", "running": "yellow", "failed": "red"}


def study_tables(view: StudyView, console: Console, *, everything: bool = False) -> Group:
    """The trials, what failed, which settings matter, and whether the best beats the recipe as it was."""
    parts: list[Any] = [trial_table(view, console, everything=everything)]
    if view.failures:
        parts.append(_failures(view))
    parts += [_importances(view.importances), Text(verdict(view)), Text()]
    return Group(*parts)


def trial_table(view: StudyView, console: Console, *, everything: bool = False) -> Group:
    """The trials, best first; settings that do not fit `console.width` are left out, the least telling first."""
    shown = view.ranked if everything else view.ranked[:MOST_SHOWN]
    names = short_names(view.varying)
    columns = [("trial", [str(trial.number) for trial in shown])]
    if view.counts["complete"] < len(view.ranked):
        columns.append(("", ["" if trial.state == "complete" else trial.state for trial in shown]))
    columns += [
        (_bare(view.sweep.objective), [_score(trial.value) for trial in shown]),
        (_bare(view.sweep.tie_break), [_score(trial.tie_break) for trial in shown]),
        ("time", [duration(trial.seconds) for trial in shown]),
    ]
    settings = {
        key: (
            names[key],
            [shorten(value_text(t.params[key]), _MOST_IN_CELL) if key in t.params else "" for t in shown],
        )
        for key in view.varying
    }
    room = console.width - sum(map(_width, columns))
    left_out = []
    for key, column in settings.items():
        if _width(column) > room:
            left_out.append(key)
            continue
        room -= _width(column)
        columns.append(column)
    table = new_table()
    for name, cells in columns:
        is_number = name not in ("", *(names[key] for key in view.varying))
        table.add_column(escape(name), justify="right" if is_number or _numeric(cells) else "left", no_wrap=True)
    for i, trial in enumerate(shown):
        style = "bold" if view.best is not None and trial.number == view.best.number else _STYLES[trial.state]
        table.add_row(*(escape(cells[i]) for _, cells in columns), style=style)
    notes = []
    if len(shown) < len(view.ranked):
        notes.append(f"{len(shown)} of {len(view.ranked)} trials; --all shows the others.")
    if left_out:
        notes.append(f"Too narrow for {', '.join(left_out)}: they are in compare.html.")
    return titled(title(view), table, " ".join(notes))


def title(view: StudyView) -> str:
    """What is shown: the metric, and how many trials came to what."""
    sweep = view.sweep
    better = "more" if sweep.direction == "maximize" else "less"
    counted = ", ".join(f"{view.counts[state]} {state}" for state in STATES if view.counts[state])
    return f"Trials by {sweep.objective}, {better} is better: {counted}"


def _failures(view: StudyView) -> Group:
    table = new_table()
    table.add_column("trials", overflow="fold", max_width=20)
    table.add_column("reason", overflow="fold")
    for reason, numbers in view.failures.items():
        table.add_row(", ".join(map(str, numbers)), escape(reason))
    return titled("Failed", table)


def _importances(found: Importances) -> Group:
    heading = "Which settings matter"
    if found.note is not None:
        return Group(Text.assemble((heading, "bold"), f": {found.note}"), Text())
    table = new_table()
    table.add_column("setting", overflow="fold")
    table.add_column("importance", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in found.rows:
        few = "" if row.num_trials == found.num_trials else f" in {row.num_trials} trials"
        table.add_row(escape(row.name) + few, f"{row.share:.0%}", "━" * round(_BAR * row.share))
    note = f"How far the best third stands apart (PED-ANOVA), from {found.num_trials} complete trials."
    return titled(heading, table, note)


def _bare(metric: str) -> str:
    return metric.removeprefix("val.")


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _width(column: tuple[str, Sequence[str]]) -> int:
    name, cells = column
    return max(map(cell_len, [name, *cells])) + _BETWEEN


def _numeric(cells: Sequence[str]) -> bool:
    return all(cell == "" or cell[0].isdigit() or cell[0] == "-" for cell in cells)
