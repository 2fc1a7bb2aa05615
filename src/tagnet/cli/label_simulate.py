"""`tagnet label simulate`: a labelled corpus is replayed, round by round."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from tagnet.atomic import write_json
from tagnet.cli.compose import train_config
from tagnet.cli.console import message_console, result_console, speak_to
from tagnet.errors import ConfigError, nearest
from tagnet.labeling.query.strategies import DEFAULT_STRATEGY, RANDOM, parse_strategy
from tagnet.workflows.simulate import METRICS, Curve, Plan, open_simulation, replay, sides
from tagnet.workflows.simulation_corpus import LEARNERS, make_learner, replay_corpus
from tagnet.workflows.simulation_statistics import summarize, to_plain
from tagnet.workflows.simulation_view import simulation_table, write_page

SUMMARY = "summary.json"
PAGE = "simulation.html"
_TAKEN = ("run.dir", "run.seed", "split")


@dataclass(frozen=True)
class Asked:
    """The numbers of the command line."""

    strategies: tuple[str, ...]
    seeds: int
    start: int
    step: int
    labels: int
    test_share: float
    random_share: float

    def plan(self) -> Plan:
        """The plan: random first, then what was asked, each once."""
        names = tuple(dict.fromkeys([RANDOM, *(self.strategies or (DEFAULT_STRATEGY,))]))
        for name in names:
            parse_strategy(name)
        return Plan(names, self.seeds, self.start, self.step, self.labels, self.test_share, self.random_share)


def run_simulate(
    asked: Asked,
    output: Path,
    settings: Sequence[str],
    *,
    num_tags: int | None,
    learner_name: str,
    metric: str,
    target: float | None,
) -> None:
    """Run the command."""
    known = [name for name in METRICS if name != "ece"]
    if metric not in known:
        raise ConfigError(f"--metric: expected {', '.join(known)}; found {metric!r}{nearest(metric, known)}")
    if learner_name not in LEARNERS:
        hint = nearest(learner_name, LEARNERS)
        raise ConfigError(f"--learner: expected {' or '.join(LEARNERS)}; found {learner_name!r}{hint}")
    for text in settings:
        key = text.lstrip("+~").partition("=")[0]
        if key in _TAKEN or key.startswith("split."):
            raise ConfigError(f"{text}: tagnet label simulate chooses it; see --output, --seeds and --test-share")
    plan = asked.plan()
    config = train_config(*settings, "logger=none", f"run.dir={output / 'runs'}")
    messages, results = message_console(), result_console()
    speak_to(messages)
    corpus = replay_corpus(config, num_tags)
    for seed in range(plan.seeds):
        sides(corpus.y_NK, corpus.groups_N, plan, seed)
    fixed = {"settings": sorted(settings), "learner": learner_name, "tags": num_tags}
    open_simulation(output, plan, fixed, corpus.fingerprint)
    learner = make_learner(learner_name, config, corpus, output)
    if learner_name == "finetune":
        logging.getLogger("tagnet").setLevel(logging.WARNING)
    rounds = len(plan.sizes)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    curves: list[Curve] = []
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as progress:
        task = progress.add_task("simulating", total=rounds * plan.seeds * len(plan.strategies))
        for seed in range(plan.seeds):
            for strategy in plan.strategies:
                progress.update(task, completed=rounds * len(curves), description=f"seed {seed}, {strategy}")
                curve = replay(
                    output,
                    plan,
                    strategy,
                    seed,
                    learner,
                    corpus.y_NK,
                    corpus.groups_N,
                    progress=lambda done: progress.update(task, completed=rounds * len(curves) + done),
                )
                curves.append(curve)
    found = summarize(curves, plan, metric, target)
    write_page(output / PAGE, found, plan, output.name)
    write_json(output / SUMMARY, to_plain(found))
    results.print(simulation_table(found, plan))
    messages.print(Text(f"{len(corpus.records)} records, {len(corpus.tags)} tags"), soft_wrap=True)
    results.print(Text(f"page     {output / PAGE}\nnumbers  {output / SUMMARY}"), soft_wrap=True)
