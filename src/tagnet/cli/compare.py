"""`tagnet compare`: what a sweep has found, on the terminal, as a page, and as an experiment to run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from tagnet.cli.console import message_console, result_console
from tagnet.cli.extras import require_extra
from tagnet.errors import ConfigError, SweepError

if TYPE_CHECKING:
    from tagnet.workflows.study_files import Sweep, Trial

PAGE = "compare.html"
BEST = "best.yaml"


def run(folder: Path, output: Path | None, *, everything: bool) -> None:
    """Run the command.

    Raises:
        SweepError: the folder holds no sweep, or one without trials, or a damaged file.
    """
    require_extra("train", "compare")
    show_sweep(folder, result_console(), output=output, everything=everything)


def show_sweep(folder: Path, console: Console, *, output: Path | None = None, everything: bool = False) -> None:
    """Print what a sweep has found so far, and write its page and the best trial's experiment.

    Args:
        folder: of the sweep.
        console: where the tables go.
        output: where the files go; None: to the sweep.
        everything: whether all trials are listed, not the best alone.

    Raises:
        SweepError: the folder holds no sweep, or one without trials, or a damaged file.
    """
    # Imported here, not above: matplotlib and Hydra take a second, and `--help` must not.
    from tagnet.workflows.study_files import TRIALS_FOLDER, read_sweep, read_trials
    from tagnet.workflows.study_page import write_page
    from tagnet.workflows.study_tables import study_tables
    from tagnet.workflows.study_view import view_study

    sweep, trials = read_sweep(folder), read_trials(folder)
    if not trials:
        raise SweepError(f"{folder / TRIALS_FOLDER}: expected the trials of the sweep, found none yet")
    view = view_study(sweep, trials, _recipe_as_it_was(sweep))
    console.print(study_tables(view, console, everything=everything))
    place = folder if output is None else output
    best = None if view.best is None else _write_best(place / BEST, sweep, view.best)
    write_page(place / PAGE, view, folder.resolve().name, best)
    console.print(Text(f"page  {place / PAGE}"), soft_wrap=True)
    if best is not None:
        console.print(Text(f"best  tagnet train experiment={shlex.quote(str(best))}"), soft_wrap=True)


def _write_best(path: Path, sweep: Sweep, trial: Trial) -> Path | None:
    from tagnet.cli.recipe import read_recipe
    from tagnet.workflows.best_experiment import write_best
    from tagnet.workflows.study_files import ALWAYS

    shared = sweep.overrides[len(ALWAYS) :] if sweep.overrides[: len(ALWAYS)] == ALWAYS else sweep.overrides
    try:
        write_best(path, sweep, trial, read_recipe((*shared, *trial.overrides)))
    except ConfigError as error:
        # An experiment's file has moved, or a setting has gone since: what was found is still worth looking at.
        message_console().print(Text(f"warning: {path.name} is not written: {error}", style="yellow"), soft_wrap=True)
        return None
    return path


def _recipe_as_it_was(sweep: Sweep) -> dict[str, Any] | None:
    """Flat key → value of what all trials share; of a group with options also the name of the chosen one."""
    from tagnet.cli.compose import compose_plain

    try:
        composed = compose_plain(sweep.overrides)
    except ConfigError:
        return None
    flat: dict[str, Any] = {}
    for group, values in composed.items():
        if isinstance(values, dict):
            flat |= {f"{group}.{key}": value for key, value in values.items()}
            flat[group] = values.get("name")
        else:
            flat[group] = values
    return flat
