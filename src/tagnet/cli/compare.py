"""`tagnet compare`: what a sweep has found, and the best of it to run; or finished runs, side by side."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.text import Text

from tagnet.cli.console import message_console, result_console
from tagnet.cli.extras import require_extra
from tagnet.errors import ConfigError, SweepError

if TYPE_CHECKING:
    from tagnet.workflows.study_files import Sweep, Trial

PAGE = "compare.html"
NUMBERS = "compare.json"
BEST = "best.yaml"


def run(folders: Sequence[Path], output: Path | None, *, everything: bool, gate: bool) -> None:
    """Run the command.

    Raises:
        SweepError: the one folder holds no sweep, or one without trials, or a damaged file.
        RunDirectoryError: one of several folders holds no finished run, or they cannot be compared.
        Exit: with 1, when a tag has dropped and the gate is asked for.
    """
    require_extra("train", "compare")
    if len(folders) == 1:
        if gate:
            raise ConfigError("--gate: expected two finished runs or more, found one folder")
        _show_one(folders[0], output, everything=everything)
    elif not _show_runs(folders, output, everything=everything, gate=gate):
        raise typer.Exit(1)


def _show_one(folder: Path, output: Path | None, *, everything: bool) -> None:
    from tagnet.training.run_directory import FINISHED
    from tagnet.workflows.crossval import is_crossval

    if (folder / FINISHED).is_file():
        raise ConfigError(f"{folder}: expected a second run to compare this one with; its own report is report.html")
    if is_crossval(folder):
        from tagnet.cli.crossval import show_crossval

        show_crossval(folder, result_console(), output=output)
        return
    show_sweep(folder, result_console(), output=output, everything=everything)


def _show_runs(folders: Sequence[Path], output: Path | None, *, everything: bool, gate: bool) -> bool:
    """Print and write the comparison of runs; whether it passes the gate, or none was asked for."""
    from tagnet.atomic import write_json
    from tagnet.workflows.finished_run import read_finished_run
    from tagnet.workflows.run_comparison import compare_runs
    from tagnet.workflows.run_comparison_page import to_plain, write_comparison_page
    from tagnet.workflows.run_comparison_tables import comparison_tables, gate_lines

    console, messages = result_console(), message_console()
    found = compare_runs([read_finished_run(folder) for folder in folders])
    for warning in found.warnings:
        messages.print(Text(f"warning: {warning}", style="yellow"), soft_wrap=True)
    console.print(comparison_tables(found, console, everything=everything))
    place = folders[-1] if output is None else output
    write_comparison_page(place / PAGE, found)
    write_json(place / NUMBERS, to_plain(found))
    console.print(Text(f"page  {place / PAGE}"), soft_wrap=True)
    if not gate:
        return True
    for line in gate_lines(found):
        console.print(Text(f"gate  {line}", style="green" if found.passed else "bold red"), soft_wrap=True)
    return found.passed


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
