"""A machine, and a run that was not started on it, as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from tagnet.evaluation.table_parts import facts_grid
from tagnet.training.hardware import Machine
from tagnet.training.size_words import in_words

if TYPE_CHECKING:
    from tagnet.training.recipe import Recipe

_TOLD = ("tagnet", "torch", "transformers", "pytorch-lightning", "hydra-core", "datasets", "numpy")
"""Packages whose version is told; `--json` has all of them."""


def machine_tables(machine: Machine, *, quick: bool = False) -> Group:
    """What the machine offers; `quick` leaves out what `look_at_machine` has left out."""
    works = [name for name, is_there in machine.precisions.items() if is_there]
    facts = [
        ("Python", f"{machine.python}, {machine.platform}"),
        ("cores", f"{machine.cores:g} of {machine.cores_of_machine}"),
        ("memory", f"{in_words(machine.memory_available)} available of {in_words(machine.memory)}"),
        ("GPU", "\n".join(_gpu_lines(machine))),
        ("precision", ", ".join(works) or "unknown without PyTorch"),
        *([] if quick else [("torch.compile", machine.compiler or "no C++ compiler that works")]),
        ("between processes", ", ".join(machine.backends) or "nothing"),
        ("/dev/shm", "none" if machine.shared_memory is None else in_words(machine.shared_memory)),
        ("disk", f"{in_words(machine.disk_free)} free at {machine.disk}"),
    ]
    return Group(facts_grid("Machine", facts), facts_grid("Packages", _package_facts(machine)))


def recipe_tables(recipe: Recipe) -> Group:
    """What the run would be, and what fits."""
    where = {"cpu": "CPU", "cuda": "GPU"}[recipe.device]
    processes = "1 process" if recipe.processes == 1 else f"{recipe.processes} processes ({recipe.strategy})"
    trained = "" if recipe.trained == recipe.parameters else f", {recipe.trained:,} of them trained"
    read = "not read: lengths are the most that can be" if recipe.records is None else f"{recipe.records:,}"
    facts = [
        ("runs on", f"{where}, {recipe.precision}, {processes}"),
        ("encoder", f"{recipe.encoder}: {recipe.parameters:,} parameters{trained}"),
        ("records", read),
        ("tags", f"{recipe.tags:,}" if recipe.records is not None else f"taken to be {recipe.tags:,}"),
        ("largest batch", recipe.batch.in_words() + (" in each process" if recipe.processes > 1 else "")),
    ]
    parts: list[RenderableType] = [facts_grid("Run", facts), facts_grid("Memory", _memory_facts(recipe))]
    parts += [Text(f"• {note}", style="yellow") for note in recipe.notes]
    if recipe.problem is None:
        parts.append(Text("It can run.", style="green"))
    return Group(*parts)


def _memory_facts(recipe: Recipe) -> list[tuple[str, str]]:
    memory = recipe.memory
    beside = " beside the weights, which are there by now" if recipe.device == "cpu" else ""
    facts = []
    if memory is not None:
        facts = [
            ("weights", in_words(memory.weights)),
            ("gradients", in_words(memory.gradients)),
            ("optimizer", in_words(memory.optimizer)),
            ("activations", in_words(memory.activations)),
        ]
    facts += [
        ("needed", "unknown" if recipe.needed is None else in_words(recipe.needed) + beside),
        ("available", in_words(recipe.available)),
        ("largest that fits", _largest(recipe.largest_batch)),
        ("disk", f"{in_words(recipe.disk_needed)} for resume points, weights and bundle"),
    ]
    return facts


def _largest(batch: int | None) -> str:
    if batch is None:
        return "unknown"
    return f"trainer.batch_size={batch}" if batch else "not even one text"


def _gpu_lines(machine: Machine) -> list[str]:
    if not machine.gpus:
        if machine.driver is None:
            return ["none"]
        reason = "PyTorch cannot use it" if machine.cuda else "this PyTorch is built for CPUs alone"
        reason = reason if machine.packages.get("torch") else "PyTorch is not installed"
        return [f"none that works: there is an NVIDIA driver {machine.driver}, and {reason}"]
    lines = []
    for gpu in machine.gpus:
        free = "" if gpu.free is None else f"{in_words(gpu.free)} free of "
        lines.append(f"{gpu.name}, {free}{in_words(gpu.memory)}, compute capability {gpu.capability}")
    return [*lines, f"driver {machine.driver or 'unknown'}, PyTorch for CUDA {machine.cuda}"]


def _package_facts(machine: Machine) -> list[tuple[str, str]]:
    told = {name: machine.packages[name] for name in _TOLD if name in machine.packages}
    facts = [("versions", ", ".join(f"{name} {version or 'missing'}" for name, version in told.items()) or "unknown")]
    there = [extra for extra, missing in machine.extras.items() if not missing]
    facts.append(("extras", ", ".join(there) or "none"))
    return [*facts, *_missing(machine.extras)]


def _missing(extras: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    """The extras that are not installed; one that lacks all that another one does names the other."""
    lines = []
    for extra, missing in extras.items():
        if missing:
            few = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
            lines.append((f"without {extra}", f"{few}: pip install 'tagnet[{extra}]'"))
    return lines
