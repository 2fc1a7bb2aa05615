"""Training throughput: tagnet, transformers' Trainer as its example is run and tuned, and the machine's own rate.

    python -m benchmarks.speed.training run [--recipes madewithml_b goemotions] [--rounds 5] [--threads 2]
    python -m benchmarks.speed.training table       the table of docs/speed.md
    python -m benchmarks.speed.training plot        docs/images/speed_training.svg

In every round each contender trains once, in a process of its own, one after the other; ratios are taken round by
round. A round is never run twice. A round takes about five minutes on two cores. TAGNET_DATA names the
data.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.quality.runs import has_result, keep, read_results, show, with_table_command
from benchmarks.speed.contenders import CONTENDERS
from tagnet.evaluation.table_parts import new_table

NAME = "training"
RESULTS = Path(__file__).parent / "results"
PLOT = Path(__file__).parents[2] / "docs" / "images" / "speed_training.svg"
STEPS = {"madewithml_b": 96, "goemotions": 288}
"""Of every contender but the padded one: three epochs of protocol B, a fifth of an epoch of GoEmotions."""
PADDED_STEPS = 16
PLACED = {"OMP_PROC_BIND": "true", "OMP_PLACES": "cores"}
"""A core for each thread, for every contender: a small machine was seen to keep both threads on one."""
WORDS = {
    "trainer_padded": "Trainer, padded to 128",
    "trainer_tuned": "Trainer, tuned, float32",
    "trainer_tuned_bf16": "Trainer, tuned, bfloat16",
    "tagnet_float32": "tagnet, float32",
    "tagnet": "tagnet, as it comes (bfloat16 here)",
}


def run(recipes: Sequence[str], rounds: int, threads: int) -> None:
    """Run what is missing."""
    for number in range(rounds):
        for recipe in recipes:
            if has_result(NAME, RESULTS, recipe=recipe, round=number):
                continue
            entry: dict[str, Any] = {"recipe": recipe, "round": number, "threads": threads}
            for contender in CONTENDERS:
                words = [contender, "--recipe", recipe, "--threads", str(threads), "--seed", str(number)]
                words += ["--steps", str(PADDED_STEPS if contender == "trainer_padded" else STEPS[recipe])]
                print(f"{recipe}, round {number}: {contender}", file=sys.stderr, flush=True)
                done = subprocess.run(
                    [sys.executable, "-W", "ignore", "-m", "benchmarks.speed.contenders", *words],
                    capture_output=True,
                    text=True,
                    check=False,
                    env={**os.environ, **PLACED},
                )
                lines = done.stdout.splitlines()
                if done.returncode or not lines:
                    sys.exit(f"{contender} failed:\n{done.stderr[-3000:]}")
                entry[contender] = json.loads(lines[-1])
            keep(NAME, entry, ("recipe", "round"), RESULTS)


def rates(entry: dict[str, Any]) -> dict[str, float]:
    """Contender → examples a second."""
    return {name: entry[name]["examples"] / entry[name]["seconds"] for name in WORDS}


def of_ceiling(entry: dict[str, Any], contender: str) -> float:
    """The useful operations a second of a contender, as a share of what the machine's matrix products reach."""
    half = contender in ("tagnet", "trainer_tuned_bf16")
    own = entry[contender]["useful_flops"] / entry[contender]["seconds"]
    return float(own / entry["rates"]["bfloat16" if half else "float32"])


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median, least and greatest."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def table(*, markdown: bool) -> None:
    """Medians over rounds, and the spread of the ratios."""
    shown = new_table()
    heads = ("corpus", "contender", "examples a second", "times padded Trainer", "times best tuned Trainer")
    for column in (*heads, "of the machine's matrix products"):
        shown.add_column(column)
    results = read_results(NAME, RESULTS)
    for recipe in dict.fromkeys(each["recipe"] for each in results):
        mine = [each for each in results if each["recipe"] == recipe]
        for name, words in WORDS.items():
            found = [rates(each) for each in mine]
            best = [max(each["trainer_tuned"], each["trainer_tuned_bf16"]) for each in found]
            shown.add_row(
                recipe,
                words,
                spread([each[name] for each in found], 1),
                spread([each[name] / each["trainer_padded"] for each in found]),
                spread([each[name] / one for each, one in zip(found, best, strict=True)]),
                spread([of_ceiling(each, name) for each in mine]),
            )
    rounds = Counter(each["recipe"] for each in results)
    counted = ", ".join(f"{recipe} {number}" for recipe, number in rounds.items())
    threads = results[0]["threads"] if results else 0
    note = (
        f"Medians over rounds ({counted}), least and greatest in brackets; batches of 32, {threads} threads. The "
        "machine is measured in each round, in the contender's own precision; operations are those of real tokens."
    )
    show("Training throughput", shown, note, markdown=markdown)


def plot() -> None:
    """Draw examples a second, a group a corpus."""
    from matplotlib.figure import Figure

    results = read_results(NAME, RESULTS)
    recipes = list(dict.fromkeys(each["recipe"] for each in results))
    figure = Figure(figsize=(8, 1.2 + 1.3 * len(recipes)), layout="constrained")
    for place, recipe in enumerate(recipes):
        axes = figure.add_subplot(len(recipes), 1, place + 1)
        found = [rates(each) for each in results if each["recipe"] == recipe]
        values = [[each[name] for each in found] for name in WORDS]
        axes.barh(list(WORDS.values()), [median(each) for each in values], color="#4477aa")
        for row, each in enumerate(values):
            axes.plot([min(each), max(each)], [row, row], color="black", linewidth=1)
        axes.set_title(recipe, loc="left")
        axes.set_xlabel("examples a second")
        axes.spines[["top", "right"]].set_visible(False)
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PLOT, metadata={"Date": None})


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="run what is missing")
    running.add_argument("--recipes", nargs="+", default=["madewithml_b", "goemotions"])
    running.add_argument("--rounds", type=int, default=5)
    running.add_argument("--threads", type=int, default=2)
    with_table_command(commands)
    commands.add_parser("plot", help="draw the results so far")
    given = parser.parse_args()
    if given.command == "plot":
        plot()
        return
    if given.command == "run":
        run(given.recipes, given.rounds, given.threads)
    table(markdown=given.command == "table" and given.markdown)


if __name__ == "__main__":
    main()
