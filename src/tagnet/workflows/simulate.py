"""What would a strategy have asked for? A labelled corpus is replayed: labels are hidden, and shown when asked for.

A simulation's folder:

  simulation.json        what is simulated; the same command with other settings is refused
  curves/                one file a seed and strategy, written anew after every round: what was chosen, how well it went
  summary.json, simulation.html   what they say together

Legend: N records of the corpus, K tags.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagnet.atomic import write_json
from tagnet.data.stratify import stratify
from tagnet.errors import ConfigError, SweepError
from tagnet.evaluation.metrics import overall_metrics
from tagnet.labeling.query.choose import choose
from tagnet.labeling.query.pool import Pool
from tagnet.labeling.query.strategies import Needs, parse_strategy
from tagnet.strict_build import to_plain
from tagnet.workflows.simulation_learners import Learned, Learner, Rows

PLAN = "simulation.json"
CURVES = "curves"
METRICS = ("f1_macro", "f1_micro", "f1_weighted", "map", "ece")

Choose = Callable[[str, Pool, int, int, float], Rows]
"""Strategy, pool, size, seed, random share → rows of the pool."""


@dataclass(frozen=True)
class Plan:
    """What is simulated."""

    strategies: tuple[str, ...]
    seeds: int
    """Each draws its own test side and its own first labels, which all strategies share."""
    start: int
    """Labelled records that everybody starts with, drawn at random."""
    step: int
    """Records that are asked for in a round."""
    labels: int
    """Labelled records at the end."""
    test_share: float
    """Share of the records that judge; the others are the pool."""
    random_share: float
    """Share of every batch that is drawn at random."""

    def __post_init__(self) -> None:
        for name in ("seeds", "start", "step"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected at least 1, found {getattr(self, name)}")
        if self.labels < self.start + self.step:
            raise ConfigError(
                f"labels: expected at least {self.start + self.step}, so that there is a round, found {self.labels}"
            )
        if not 0 < self.test_share < 1:
            raise ConfigError(f"test share: expected above 0 and below 1, found {self.test_share}")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Labelled records of each round."""
        return tuple(range(self.start, self.labels + 1, self.step))


@dataclass(frozen=True)
class Round:
    """One model of a curve."""

    labels: int
    """Labelled records that it learned from."""
    scores: dict[str, float]
    """Metric → value on the test side."""
    chosen: tuple[int, ...]
    """Rows of the corpus that were asked for next; none in the last round."""


@dataclass(frozen=True)
class Curve:
    """One strategy on one seed."""

    strategy: str
    seed: int
    rounds: tuple[Round, ...]


def open_simulation(folder: Path, plan: Plan, settings: Mapping[str, Any], fingerprint: str) -> None:
    """Start a folder, or check that it is this plan's; more seeds and strategies are welcome.

    Args:
        folder: of the simulation.
        plan: what is simulated.
        settings: what else its curves depend on, as plain values.
        fingerprint: of the records.

    Raises:
        SweepError: the folder holds another simulation, or something else.
    """
    fixed = {key: value for key, value in to_plain(plan).items() if key not in ("strategies", "seeds")}
    fixed |= {**settings, "fingerprint": fingerprint}
    path = folder / PLAN
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        other = sorted(key for key in fixed.keys() | found.keys() if fixed.get(key) != found.get(key))
        if other:
            raise SweepError(
                f"{folder}: holds a simulation with other {', '.join(other)}: expected "
                f"{', '.join(str(found.get(key)) for key in other)}, found "
                f"{', '.join(str(fixed.get(key)) for key in other)}\nChoose another folder, or the same settings."
            )
        return
    if folder.exists() and any(folder.iterdir()):
        raise SweepError(f"{folder}: expected a new folder or a simulation's, found neither; choose another one")
    write_json(path, fixed)


def sides(y_NK: NDArray[np.uint8], groups_N: NDArray[np.int64], plan: Plan, seed: int) -> tuple[Rows, Rows, Rows]:
    """Test rows, pool rows, and the rows of the pool that are labelled from the start."""
    part_N = stratify(y_NK, [1 - plan.test_share, plan.test_share], seed, groups_N)
    pool, test = np.flatnonzero(part_N == 0), np.flatnonzero(part_N == 1)
    if len(pool) < plan.labels:
        raise ConfigError(f"labels: expected at most the {len(pool)} records of the pool, found {plan.labels}")
    start = np.random.default_rng([seed, 1]).permutation(pool)[: plan.start]
    return test, pool, np.sort(start)


def replay(
    folder: Path,
    plan: Plan,
    strategy: str,
    seed: int,
    learner: Learner,
    y_NK: NDArray[np.uint8],
    groups_N: NDArray[np.int64],
    *,
    choose_rows: Choose | None = None,
    progress: Callable[[int], object] | None = None,
) -> Curve:
    """One curve, going on from what is on disk.

    Args:
        folder: of the simulation.
        plan: what is simulated.
        strategy: a strategy's name; or any other, with `choose_rows`.
        seed: which of the plan's.
        learner: learns in every round.
        y_NK: the labels that are hidden.
        groups_N: near-identical records, which stay on one side.
        choose_rows: who chooses instead of `labeling.query.choose`.
        progress: called with the number of rounds done.
    """
    path = curve_path(folder, strategy, seed)
    rounds = list(read_curve(path).rounds) if path.is_file() else []
    test, pool, labelled = sides(y_NK, groups_N, plan, seed)
    for done in rounds:
        labelled = np.concatenate([labelled, np.array(done.chosen, dtype=np.intp)])
    needs = parse_strategy(strategy).needs if choose_rows is None else frozenset[Needs]({"embeddings_ND"})
    for number in range(len(rounds), len(plan.sizes)):
        learned = learner.learn(labelled, test, seed, needs=needs, place=f"{path.stem}-{len(labelled)}")
        probs_TK = learned.probs_NK[test]
        found = overall_metrics(probs_TK, y_NK[test], probs_TK >= learned.thresholds_K, at_k=(1,))
        chosen: Rows = np.zeros(0, dtype=np.intp)
        if number + 1 < len(plan.sizes):
            waiting = np.setdiff1d(pool, labelled)
            waiting_pool = pool_of(learned, waiting, labelled, y_NK)
            which = choose_rows or _choose
            chosen = waiting[which(strategy, waiting_pool, plan.step, _round_seed(seed, number), plan.random_share)]
        rounds.append(Round(len(labelled), {name: found[name] for name in METRICS}, tuple(chosen.tolist())))
        labelled = np.concatenate([labelled, chosen])
        write_json(path, to_plain(Curve(strategy, seed, tuple(rounds))))
        if progress is not None:
            progress(len(rounds))
    return Curve(strategy, seed, tuple(rounds))


def pool_of(learned: Learned, waiting: Rows, labelled: Rows, y_NK: NDArray[np.uint8]) -> Pool:
    """What a strategy is told of the records that wait."""
    return Pool(
        learned.probs_NK[waiting],
        learned.thresholds_K,
        y_NK[labelled].sum(axis=0, dtype=np.int64),
        None if learned.embeddings_ND is None else learned.embeddings_ND[waiting],
        None if learned.embeddings_ND is None else learned.embeddings_ND[labelled],
        None if learned.members_ENK is None else learned.members_ENK[:, waiting],
    )


def curve_path(folder: Path, strategy: str, seed: int) -> Path:
    """Where a curve is."""
    return folder / CURVES / f"{seed}-{re.sub(r'[^A-Za-z0-9_+.-]', '-', strategy)}.json"


def read_curve(path: Path) -> Curve:
    """A curve from disk.

    Raises:
        SweepError: the file is none.
    """
    try:
        plain: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        rounds = tuple(
            Round(int(each["labels"]), dict(each["scores"]), tuple(each["chosen"])) for each in plain["rounds"]
        )
        return Curve(str(plain["strategy"]), int(plain["seed"]), rounds)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SweepError(f"{path}: expected a curve of a simulation, found something else ({error})") from error


def read_curves(folder: Path, plan: Plan, strategies: Sequence[str] | None = None) -> list[Curve]:
    """All whole curves of a plan's seeds and of these strategies (default: the plan's)."""
    paths = [curve_path(folder, name, seed) for name in strategies or plan.strategies for seed in range(plan.seeds)]
    curves = [read_curve(path) for path in paths if path.is_file()]
    return [curve for curve in curves if len(curve.rounds) == len(plan.sizes)]


def _choose(strategy: str, pool: Pool, size: int, seed: int, random_share: float) -> Rows:
    return choose(strategy, pool, size, seed, random_share).positions


def _round_seed(seed: int, number: int) -> int:
    return 1000 * seed + number
