"""`tagnet doctor`: what this machine offers, and whether a run fits on it, before it is started."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tagnet.cli.console import message_console, result_console
from tagnet.cli.extras import require_extra
from tagnet.errors import ConfigError, HardwareError, TagnetError, nearest

if TYPE_CHECKING:
    from tagnet.config import TrainConfig
    from tagnet.training.hardware import Machine
    from tagnet.training.recipe import Recipe

_USAGE = """\
Usage: tagnet doctor [KEY=VALUE ...] [--quick] [--json]

Look at this machine, and at the run that the settings stand for: what it would run on,
what its largest batch needs, and the largest trainer.batch_size that fits.
The settings are those of tagnet train; see tagnet train --help. Nothing is trained or written.

  tagnet doctor
  tagnet doctor data.records=projects.json encoder=roberta-base trainer.batch_size=64
  tagnet doctor --quick trainer=gpu

The exit code is 0 where the run can be started, else 2.

Options:
  --quick     look at the machine, and for the processors or GPUs that are asked for, alone
  --json      for machines; sizes are in bytes
  -h, --help  this text"""
_OPTIONS = ("--quick", "--json", "--help", "-h")


@dataclass(frozen=True)
class Request:
    """What the words after the command ask for."""

    overrides: tuple[str, ...]
    quick: bool
    as_json: bool


def run(arguments: Sequence[str]) -> None:
    """Run the command with the words that follow it.

    Raises:
        TagnetError: the run cannot be started here; all that was found has been printed before.
    """
    if {"-h", "--help"} & set(arguments):
        print(_USAGE)
        return
    request = parse(arguments)
    # Imported here, not above: the machine is asked through PyTorch, which takes seconds, and `--help` must not.
    from tagnet.training.hardware import look_at_machine

    # What would be said while training starts is in the tables.
    logging.getLogger("tagnet").setLevel(logging.ERROR)
    config, problem = _settings(request.overrides)
    folder = Path("runs" if config is None or config.run.dir is None else config.run.dir)
    machine = look_at_machine(folder, quick=request.quick)
    if not request.as_json:
        _show_machine(machine, quick=request.quick)
    recipe = None
    if config is not None:
        try:
            recipe = _examine(config, machine, quick=request.quick)
        except TagnetError as error:
            problem = error
    if recipe is not None and recipe.problem is not None:
        problem = HardwareError(recipe.problem)
    if request.as_json:
        _print_json(machine, recipe, problem)
    elif recipe is not None:
        _show_recipe(recipe)
    if problem is not None:
        raise problem


def parse(arguments: Sequence[str]) -> Request:
    """Separate settings from options.

    >>> parse(["encoder=tiny", "--json"])
    Request(overrides=('encoder=tiny',), quick=False, as_json=True)

    Raises:
        ConfigError: an option is unknown.
    """
    for word in arguments:
        if word.startswith("-") and word not in _OPTIONS:
            raise ConfigError(
                f"{word}: tagnet doctor has no such option{nearest(word, _OPTIONS)}; see tagnet doctor --help"
            )
    overrides = tuple(word for word in arguments if not word.startswith("-"))
    return Request(overrides, "--quick" in arguments, "--json" in arguments)


def _settings(overrides: Sequence[str]) -> tuple[TrainConfig | None, TagnetError | None]:
    """The settings; where the packages that read them are missing, the error that says so.

    Raises:
        ConfigError: the settings cannot be read.
    """
    try:
        require_extra("train", "doctor")
    except TagnetError as error:
        return None, error
    from tagnet.cli.compose import compose_plain
    from tagnet.config import TrainConfig
    from tagnet.strict_build import build

    return build(TrainConfig, compose_plain(overrides)), None


def _examine(config: TrainConfig, machine: Machine, *, quick: bool) -> Recipe | None:
    if quick:
        # Not all of what is checked before a run: that takes Lightning, which takes seconds to import.
        from tagnet.training.processes import check_launch

        check_launch(config.trainer)
        return None
    from tagnet.training.recipe import examine

    with message_console().status("Measuring what fits …"):
        return examine(config, machine.shared_memory)


def _show_machine(machine: Machine, *, quick: bool) -> None:
    from tagnet.training.hardware_tables import machine_tables

    result_console().print(machine_tables(machine, quick=quick))


def _show_recipe(recipe: Recipe) -> None:
    from tagnet.training.hardware_tables import recipe_tables

    result_console().print(recipe_tables(recipe))


def _print_json(machine: Machine, recipe: Recipe | None, problem: TagnetError | None) -> None:
    from tagnet.strict_build import to_plain

    found = {
        "fits": problem is None,
        "problem": None if problem is None else str(problem),
        "machine": to_plain(machine),
        "run": to_plain(recipe),
    }
    print(json.dumps(found, indent=2))
