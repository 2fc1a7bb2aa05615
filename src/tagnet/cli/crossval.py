"""`tagnet crossval`: folds and seeds, through the launchers of sweeps, and what they say together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from tagnet.cli.console import message_console, result_console
from tagnet.cli.extras import require_extra
from tagnet.errors import ConfigError

if TYPE_CHECKING:
    from tagnet.workflows.crossval import Crossval

_USAGE = """\
Usage: tagnet crossval [--folds N] [--seeds N] [KEY=VALUE ...] [launcher=NAME]

Train on every fold with every seed: each record is tested by a run that did not learn from it. With a split.file the
folds are cut of its train and validation records, and its test records are left alone.

  tagnet crossval data.records=projects.json run.dir=runs/crossval
  tagnet crossval --folds 10 --seeds 3 loss=focal launcher=joblib launcher.n_jobs=2 run.dir=runs/crossval
  tagnet compare runs/crossval

Options:
  --folds N       how many folds; default: 5
  --seeds N       seeds 0 to N-1, each with folds of its own; default: 1
  -h, --help      this text
"""
_OWN = ("split.fold", "split.folds", "run.seed", "sweeper")


def run(arguments: Sequence[str]) -> None:
    """Run the command with the words that follow it."""
    if {"-h", "--help"} & set(arguments):
        print(_USAGE, end="")
        return
    require_extra("train", "crossval")
    overrides, folds, seeds = split_arguments(arguments)
    # Imported here, not above: Hydra and Lightning take seconds, and `--help` must not.
    from tagnet.cli.multirun import run_many, say_what_is_left

    for text in overrides:
        key = text.lstrip("+~").partition("=")[0]
        if key in _OWN or key.startswith("sweeper."):
            raise ConfigError(f"{text}: tagnet crossval chooses it; give --folds N and --seeds N")
        if key == "split" and text.partition("=")[2] != "kfold":
            raise ConfigError(f"{text}: expected split=kfold, as tagnet crossval has it")
    swept = [f"run.seed={_values(seeds)}", f"split.fold={_values(folds)}"]
    always = ("split=kfold", f"split.folds={folds}")
    folder = run_many([*overrides, *swept], always)
    say_what_is_left(folder)
    show_crossval(folder, result_console())


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], int, int]:
    """Separate settings from options: settings, folds, seeds.

    >>> split_arguments(["loss=bce", "--folds", "3"])
    (['loss=bce'], 3, 1)
    """
    found = {"--folds": 5, "--seeds": 1}
    least = {"--folds": 2, "--seeds": 1}
    overrides, words = [], iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        if name in found:
            value = value if equals else next(words, "")
            if not value.isdigit() or int(value) < least[name]:
                raise ConfigError(f"{name}: expected a whole number of at least {least[name]}, found {value!r}")
            found[name] = int(value)
        elif word.startswith("-"):
            raise ConfigError(f"{word}: tagnet crossval has no such option; see tagnet crossval --help")
        else:
            overrides.append(word)
    return overrides, found["--folds"], found["--seeds"]


def show_crossval(folder: Path, console: Console, *, output: Path | None = None) -> None:
    """Print what the finished runs say together, and write the out-of-fold predictions and all numbers.

    Args:
        folder: of the cross-validation.
        console: where the tables go.
        output: where the files go; None: to the same folder.

    Raises:
        SweepError: the folder holds no cross-validation, or none of its runs has finished.
    """
    from tagnet.workflows.crossval import NUMBERS, OUT_OF_FOLD, read_crossval, write_crossval

    found = read_crossval(folder)
    place = folder if output is None else output
    write_crossval(place, found)
    _print(found, console)
    for reason in found.missing:
        message_console().print(Text(f"warning: not counted: {reason}", style="yellow"), soft_wrap=True)
    console.print(Text(f"predictions  {place / OUT_OF_FOLD}\nnumbers      {place / NUMBERS}"), soft_wrap=True)


def _print(found: Crossval, console: Console) -> None:
    from tagnet.evaluation.table_parts import count_records
    from tagnet.workflows.crossval_tables import crossval_tables

    seeds = len({each.seed for each in found.runs})
    folds = len({each.fold for each in found.runs})
    title = (
        f"{folds} folds, {seeds} seed{'s' * (seeds > 1)}: {count_records(found.num_records)}, each tested out of fold"
    )
    console.print(crossval_tables(found, console, title))


def _values(number: int) -> str:
    """All numbers below, as a sweep; of one alone, too.

    >>> _values(3), _values(1)
    ('choice(0,1,2)', 'choice(0)')
    """
    return f"choice({','.join(map(str, range(number)))})"
