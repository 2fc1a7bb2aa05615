"""A sweep as one HTML page that needs nothing else, neither files nor network."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import Any

from markupsafe import Markup

from tagnet.atomic import write_text
from tagnet.evaluation import page
from tagnet.evaluation.table_parts import duration
from tagnet.workflows import study_plots
from tagnet.workflows.importance import is_number
from tagnet.workflows.study_view import STATES, StudyView, short_names, sign, value_text, verdict


def write_page(path: Path, view: StudyView, name: str, best: Path | None) -> None:
    """Write the page of a sweep; the file appears whole or not at all.

    Raises:
        RunDirectoryError: it cannot be written.
    """
    write_text(path, render_page(view, name, best))


def render_page(view: StudyView, name: str, best: Path | None = None) -> str:
    """The page as HTML. What comes from settings and errors is escaped, and the page may load nothing.

    Args:
        view: what is shown.
        name: of the sweep.
        best: the experiment file of the best trial, to be named; None: there is none.
    """
    gain = view.gain
    return page.render(
        "tagnet.workflows",
        "study_page.html",
        {"duration": duration, "value": value_text, "score": _score, "sortable": _sortable},
        view=view,
        sweep=view.sweep,
        name=name,
        verdict=verdict(view),
        standing="alone" if gain is None else "ahead" if gain > 0 else "unclear",
        states=[state for state in STATES if view.counts[state]],
        seconds=sum(trial.seconds for trial in view.ranked),
        names=short_names(view.varying),
        is_number={key: _is_number_column(view, key) for key in view.varying},
        command=None if best is None else f"tagnet train experiment={shlex.quote(str(best))}",
        plots={key: Markup(drawn) for key, drawn in _plots(view).items()},
        most_settings=study_plots.MOST_SETTINGS,
        better="more is better" if sign(view.sweep) > 0 else "less is better",
    )


def _plots(view: StudyView) -> dict[str, str]:
    made = {}
    if any(trial.value is not None for trial in view.ranked):
        made["history"] = study_plots.history(view)
    if any(trial.history for trial in view.ranked):
        made["curves"] = study_plots.learning_curves(view)
    if view.importances.rows:
        made["importance"] = study_plots.importance_bars(view.importances)
    if view.counts["complete"] > 1 and view.varying:
        made["parallel"] = study_plots.parallel_coordinates(view)
    return made


def _is_number_column(view: StudyView, key: str) -> bool:
    return all(is_number(trial.params[key]) for trial in view.ranked if key in trial.params)


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _sortable(value: Any) -> float:
    """A number to sort by; what is missing comes last."""
    return value if is_number(value) else -math.inf
