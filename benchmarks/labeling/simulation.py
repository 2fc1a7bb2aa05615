"""What to label next: the strategies against random and modAL's multi-label ones, on MadeWithML's 30 commonest tags.

  python -m benchmarks.labeling.simulation run                      every strategy, ten seeds, a linear head
  python -m benchmarks.labeling.simulation run --learner finetune --seeds 1 --strategies random gain_scarce+coverage
  python -m benchmarks.labeling.simulation table                    the tables of docs/active_learning.md

A seed draws its own pool of about 970 records, the test records beside it, and the 100 that are labelled first; all
strategies share them. 50 records are asked for in a round, up to 500. modAL chooses whole batches; every other strategy
pays a tenth of each batch for records at random. Curves are kept as they grow, so that a benchmark that was stopped
goes on. TAGNET_DATA names the data; modAL is used where it is installed (pip install --no-deps modAL-python==0.4.2.1).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.labeling.modal_strategies import MODAL, modal_chooser
from benchmarks.quality.runs import show, with_table_command
from tagnet.atomic import write_json
from tagnet.cli.compose import train_config
from tagnet.evaluation.table_parts import new_table
from tagnet.labeling.query.strategies import DEFAULT_STRATEGY, RANDOM, SCORED, SPREAD
from tagnet.workflows.simulate import METRICS, Curve, Plan, Round, replay
from tagnet.workflows.simulation_corpus import LEARNERS, make_learner, replay_corpus
from tagnet.workflows.simulation_statistics import Simulated, area, paired_gain, summarize
from tagnet.workflows.simulation_view import HEADS, cells, note, signed

RESULTS = Path(__file__).parent / "results"
WORDS = (
    "data=madewithml",
    "labels.min_count=30",
    "labels.exclude=[machine-learning,deep-learning,data-science,neural-networks,python,r,visualization,wandb]",
    "labels.resolve_aliases=false",
    "logger=none",
    "trainer=cpu",
    "trainer.batch_size=16",
    "trainer.max_epochs=8",
    "trainer.patience=null",
    "run.dir=unused",
)
"""The tags and epochs of protocol B's recipe; of the tags the 30 commonest are taken."""
TAGS = 30
OURS = (RANDOM, *SCORED, *SPREAD, DEFAULT_STRATEGY, "entropy_mean+coverage", "gain_scarce+k_means", "bald+coverage")


def plan_of(strategies: Sequence[str], seeds: int) -> Plan:
    """Bar 1's simulation."""
    return Plan(tuple(strategies), seeds, start=100, step=50, labels=500, test_share=0.31, random_share=0.1)


def results_of(learner: str) -> Path:
    """Where the scores of all curves are."""
    return RESULTS / f"simulation_{learner}.json"


def keep(learner: str, curve: Curve) -> None:
    """Write the scores of a curve down, in the place of an earlier one."""
    path = results_of(learner)
    results = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    others = [each for each in results if (each["strategy"], each["seed"]) != (curve.strategy, curve.seed)]
    labels = [each.labels for each in curve.rounds]
    scores = {name: [round(each.scores[name], 5) for each in curve.rounds] for name in METRICS}
    entry = {"strategy": curve.strategy, "seed": curve.seed, "labels": labels, "scores": scores}
    write_json(path, sorted([*others, entry], key=lambda each: (each["strategy"], each["seed"])))


def run(learner_name: str, strategies: Sequence[str], seeds: Sequence[int], work: Path) -> None:
    """Draw what is missing, seed by seed, so that all strategies have as many."""
    config = train_config(*WORDS)
    corpus = replay_corpus(config, TAGS)
    learner = make_learner(learner_name, config, corpus, work / learner_name)
    plan = plan_of(strategies, max(seeds) + 1)
    for seed in seeds:
        for strategy in strategies:
            chooser = modal_chooser(strategy) if strategy in MODAL else None
            said = partial(_say, f"seed {seed}, {strategy}")
            y_NK, groups_N = corpus.y_NK, corpus.groups_N
            curve = replay(
                *(work / learner_name, plan, strategy, seed, learner, y_NK, groups_N),
                choose_rows=chooser,
                progress=said,
            )
            keep(learner_name, curve)


def _say(what: str, rounds: int) -> None:
    print(f"{what}: {rounds} rounds", file=sys.stderr, flush=True)


def curves_of(learner: str) -> tuple[list[Curve], Plan]:
    """All curves so far."""
    path = results_of(learner)
    results = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    curves = [
        Curve(
            each["strategy"],
            each["seed"],
            tuple(
                Round(labels, {name: each["scores"][name][place] for name in METRICS}, ())
                for place, labels in enumerate(each["labels"])
            ),
        )
        for each in results
    ]
    strategies = list(dict.fromkeys(curve.strategy for curve in curves))
    return curves, plan_of(strategies, 1 + max((curve.seed for curve in curves), default=0))


def table(*, markdown: bool) -> None:
    """Each strategy against random, and the default against each."""
    for learner in LEARNERS:
        curves, plan = curves_of(learner)
        if not any(curve.strategy == RANDOM for curve in curves):
            continue
        print()
        found = summarize(curves, plan, "f1_macro")
        shown = new_table()
        for column in (f"strategy, {learner}", "seeds", *HEADS, "the default over it"):
            shown.add_column(column, no_wrap=True)
        for each in found.results:
            over = "" if each.strategy == DEFAULT_STRATEGY else default_over(curves, plan, each.strategy)
            shown.add_row(each.strategy, str(len(each.seeds)), *cells(each), over)
        show(f"MadeWithML, {learner}: macro F1", shown, note(found) + corrected(found), markdown=markdown)


def corrected(found: Simulated) -> str:
    """The default's gain with the wider interval, in words."""
    mine = [each for each in found.results if each.strategy == DEFAULT_STRATEGY]
    gain = mine[0].gain_corrected if mine else None
    if gain is None:
        return ""
    return (
        f"\nThe default over random, its interval corrected for the records that seeds share (Nadeau & Bengio 2003): "
        f"{signed(gain, 3)}."
    )


def default_over(curves: Sequence[Curve], plan: Plan, other: str) -> str:
    """The default's area minus another's, paired by seed."""
    sizes_R = np.array(plan.sizes, dtype=np.float64)
    areas: dict[str, dict[int, float]] = {DEFAULT_STRATEGY: {}, other: {}}
    for curve in curves:
        if curve.strategy in areas:
            values_R = np.array([each.scores["f1_macro"] for each in curve.rounds])
            areas[curve.strategy][curve.seed] = area(sizes_R, values_R)
    seeds = sorted(areas[DEFAULT_STRATEGY].keys() & areas[other].keys())
    if not seeds:
        return ""
    first, second = ([areas[name][seed] for seed in seeds] for name in (DEFAULT_STRATEGY, other))
    return signed(paired_gain(first, second), 3)


def said(seed: int, strategy: str, done: int) -> None:
    print(f"{seed} {strategy} {done}", file=sys.stderr, flush=True)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="draw the curves that are missing")
    running.add_argument("--learner", default="head", choices=LEARNERS)
    running.add_argument("--strategies", nargs="*")
    running.add_argument("--seeds", type=int, default=10, help="seeds 0 to this")
    running.add_argument("--first-seed", type=int, default=0)
    running.add_argument("--work", type=Path, default=Path("runs/simulation"))
    with_table_command(commands)
    given = parser.parse_args()
    if given.command == "run":
        if not os.environ.get("TAGNET_DATA"):
            parser.error("set TAGNET_DATA to the folder with projects.json and tags.json")
        strategies = given.strategies or [*OURS, *MODAL]
        run(given.learner, strategies, range(given.first_seed, given.seeds), given.work)
    table(markdown=given.command == "table" and given.markdown)


if __name__ == "__main__":
    main()
