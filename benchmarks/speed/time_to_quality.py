"""Seconds from the command to a bundle that reaches a weighted F1 on protocol B's validation records.

    python -m benchmarks.speed.time_to_quality run [--seeds 0 1 2] [--contenders tagnet trainer setfit]
    python -m benchmarks.speed.time_to_quality table      the table of docs/speed.md
    python -m benchmarks.speed.time_to_quality plot       docs/images/speed_time_to_quality.svg

Every contender has a list of settings in ascending order of the time they take (epochs, pairs). With the first seed
they are tried one after the other until one reaches the F1; that run's seconds count, and none of those before. Other
seeds begin with the setting that the first one found, and are left out where it found none. A setting that takes longer
than 15 minutes is stopped. Each runs in a process of its own, without what earlier ones left in the cache; a finished
one is never run again. The clock stops when the last file of the bundle is there.

tagnet's F1 comes from thresholds that did not see the records (metrics.json, cross-fitted); the others' from the one
threshold that fits these records best (`learners`). SetFit is no dependency: pip install --no-deps setfit evaluate.
TAGNET_DATA names the data.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.quality.runs import has_result, keep, read_results, show, with_table_command
from benchmarks.speed.learners import THRESHOLD_FILE
from benchmarks.speed.startup import without_cache
from benchmarks.speed.training import PLACED, spread
from tagnet.evaluation.table_parts import new_table

NAME = "time_to_quality"
RESULTS = Path(__file__).parent / "results"
PLOT = Path(__file__).parents[2] / "docs" / "images" / "speed_time_to_quality.svg"
RECIPE = "madewithml_b"
GOAL = 0.74
CAP = 900
SETTINGS: dict[str, tuple[Mapping[str, float], ...]] = {
    "tagnet": tuple({"epochs": epochs} for epochs in (1, 2, 3, 4, 6, 8)),
    "trainer": (
        *({"epochs": epochs, "lr": lr} for epochs in (3, 4, 5, 6, 8, 12) for lr in (3e-4, 5e-4)),
        {"epochs": 24, "lr": 5e-4},
    ),
    "setfit": tuple({"iterations": number} for number in (0, 1)),
}
WORDS = {"tagnet": "tagnet", "trainer": "Trainer, tuned, bfloat16", "setfit": "SetFit"}


def _command(contender: str, setting: Mapping[str, float], seed: int, output: Path) -> tuple[list[str], Path, Path]:
    """What is run, the file that ends the clock, and the file that says the F1."""
    if contender == "tagnet":
        words = [f"experiment={RECIPE}", f"trainer.max_epochs={setting['epochs']}", f"run.seed={seed}"]
        command = ["-m", "tagnet.cli.start", "train", *words, f"run.dir={output}"]
        return command, output / "bundle", output / "metrics.json"
    words = [word for name, value in setting.items() for word in (f"--{name}", str(value))]
    command = ["-m", "benchmarks.speed.learners", contender, str(output), "--recipe", RECIPE, "--seed", str(seed)]
    return [*command, *words], output / THRESHOLD_FILE, output / THRESHOLD_FILE


def attempt(contender: str, setting: Mapping[str, float], seed: int, output: Path) -> dict[str, Any]:
    """Train once; `seconds` to the bundle and `f1` on validation, both None where the cap was reached."""
    command, last, said = _command(contender, setting, seed, output)
    shutil.rmtree(output, ignore_errors=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    seconds = None
    with tempfile.TemporaryDirectory() as cache, (output.parent / f"{output.name}.log").open("w") as log:
        start = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", *command], stdout=log, stderr=log, env=without_cache(cache) | PLACED
        )
        while process.poll() is None:
            if seconds is None and last.exists():
                seconds = time.monotonic() - start
            if seconds is None and time.monotonic() - start > CAP:
                process.kill()
                process.wait()
                return {"seconds": None, "f1": None}
            time.sleep(0.02)
        ended = time.monotonic() - start
    if process.returncode:
        sys.exit(f"{contender} {dict(setting)} failed; see {output.parent / f'{output.name}.log'}")
    metrics = json.loads(said.read_text(encoding="utf-8"))
    f1 = metrics["val"]["f1_weighted"]["value"] if contender == "tagnet" else metrics["val_f1_weighted"]
    shutil.rmtree(output)
    return {"seconds": round(ended if seconds is None else seconds, 2), "f1": round(f1, 4)}


def run(seeds: Sequence[int], contenders: Sequence[str], work: Path) -> None:
    """Run what is missing; for each seed contender after contender."""
    for seed in seeds:
        for contender in contenders:
            if seed != seeds[0] and reached(contender, seeds[0]) is None:
                continue
            for place in range(_first(contender, seeds[0], seed), len(SETTINGS[contender])):
                setting = SETTINGS[contender][place]
                if not has_result(NAME, RESULTS, contender=contender, seed=seed, place=place):
                    found = attempt(contender, setting, seed, work / f"{contender}-{place}-{seed}")
                    entry = {"contender": contender, "seed": seed, "place": place, "setting": dict(setting), **found}
                    print(entry, file=sys.stderr, flush=True)
                    keep(NAME, entry, ("contender", "seed", "place"), RESULTS)
                tried = next(each for each in _tried(contender, seed) if each["place"] == place)
                if tried["f1"] is None or tried["f1"] >= GOAL:
                    break


def _tried(contender: str, seed: int) -> list[dict[str, Any]]:
    results = [each for each in read_results(NAME, RESULTS) if (each["contender"], each["seed"]) == (contender, seed)]
    return sorted(results, key=lambda each: int(each["place"]))


def _first(contender: str, first_seed: int, seed: int) -> int:
    """Where a seed begins: the first one with the quickest setting, others with what the first one found."""
    if seed == first_seed:
        return 0
    found = reached(contender, first_seed)
    assert found is not None
    return int(found["place"])


def reached(contender: str, seed: int) -> dict[str, Any] | None:
    """The run that counts: the first of a seed's that reached the goal."""
    return next((each for each in _tried(contender, seed) if (each["f1"] or 0) >= GOAL), None)


def best(contender: str) -> dict[str, Any] | None:
    """Of all finished runs of a contender the one with the greatest F1."""
    runs = [each for each in read_results(NAME, RESULTS) if each["contender"] == contender and each["f1"] is not None]
    return max(runs, key=lambda each: float(each["f1"]), default=None)


def table(*, markdown: bool) -> None:
    """Seconds, seed by seed as ratios."""
    shown = new_table()
    for column in ("contender", "setting", "seconds to the bundle", "weighted F1", "times tagnet's seconds"):
        shown.add_column(column)
    seeds = sorted({each["seed"] for each in read_results(NAME, RESULTS)})
    own = {seed: run for seed in seeds if (run := reached("tagnet", seed)) is not None}
    for contender, words in WORDS.items():
        found = {seed: run for seed in seeds if (run := reached(contender, seed)) is not None}
        if not found:
            most, tried = best(contender), [run for seed in seeds for run in _tried(contender, seed)]
            stopped = [f"{_in_words(run['setting'])} stopped after {CAP} s" for run in tried if run["f1"] is None]
            if most is not None:
                longest = max(float(run["seconds"] or 0) for run in tried)
                where = "; ".join([f"not reached, at most {longest:.0f}", *stopped])
                shown.add_row(words, f"best: {_in_words(most['setting'])}", where, f"{most['f1']:.3f}", "")
            continue
        settings = dict.fromkeys(_in_words(run["setting"]) for run in found.values())
        ratios = [run["seconds"] / own[seed]["seconds"] for seed, run in found.items() if seed in own]
        shown.add_row(
            words,
            "; ".join(settings),
            spread([run["seconds"] for run in found.values()], 0),
            spread([run["f1"] for run in found.values()], 3),
            spread(ratios, 2),
        )
    note = (
        f"Protocol B, {len(seeds)} seeds: median, least and greatest; the first setting that reaches a weighted F1 of "
        f"{GOAL} on the validation records. tagnet's F1 is cross-fitted, the others' threshold is the best for these "
        "records."
    )
    show("Time to quality", shown, note, markdown=markdown)


def _in_words(setting: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in setting.items())


def plot() -> None:
    """Draw F1 over seconds, a mark a run."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    marks = zip(WORDS.items(), ("#4477aa", "#ee6677", "#228833"), ("o", "s", "^"), strict=True)
    for (contender, words), color, marker in marks:
        runs = [each for each in read_results(NAME, RESULTS) if each["contender"] == contender and each["f1"]]
        places = ([each["seconds"] for each in runs], [each["f1"] for each in runs])
        axes.plot(*places, marker, color=color, label=words)
    axes.axhline(GOAL, color="black", linewidth=1, label=f"goal, {GOAL}")
    axes.set_xscale("log")
    axes.set_xticks([10, 20, 50, 100, 200])
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("seconds from the command to the bundle")
    axes.set_ylabel("weighted F1, validation")
    axes.legend(frameon=False, loc="lower left")
    axes.spines[["top", "right"]].set_visible(False)
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PLOT, metadata={"Date": None})


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="run what is missing")
    running.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    running.add_argument("--contenders", nargs="+", choices=tuple(SETTINGS), default=list(SETTINGS))
    running.add_argument("--work", type=Path, default=Path("runs/time_to_quality"))
    with_table_command(commands)
    commands.add_parser("plot", help="draw the results so far")
    given = parser.parse_args()
    if given.command == "plot":
        plot()
        return
    if given.command == "run":
        run(given.seeds, given.contenders, given.work)
    table(markdown=given.command == "table" and given.markdown)


if __name__ == "__main__":
    main()
