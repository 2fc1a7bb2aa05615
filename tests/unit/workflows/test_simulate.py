"""The replay of a labelled corpus, with a learner that learns nothing and one that learns a line."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from tagnet.config import SharedPlattConfig, ShrunkThresholdsConfig
from tagnet.errors import ConfigError, SweepError
from tagnet.labeling.query.strategies import Needs
from tagnet.workflows.simulate import (
    Curve,
    Plan,
    curve_path,
    open_simulation,
    read_curve,
    read_curves,
    replay,
    sides,
)
from tagnet.workflows.simulation_learners import HeadLearner, Learned, Rows

RANDOM = np.random.default_rng(0)
CENTRES_KD = RANDOM.normal(size=(4, 8))
Y_NK = (RANDOM.random((160, 4)) < [0.5, 0.3, 0.2, 0.1]).astype(np.uint8)
X_ND = Y_NK @ CENTRES_KD + RANDOM.normal(scale=0.5, size=(160, 8))
GROUPS_N = np.arange(160)
PLAN = Plan(("random", "gain_scarce+coverage"), 2, start=20, step=10, labels=50, test_share=0.3, random_share=0.1)


def head() -> HeadLearner:
    return HeadLearner(X_ND, Y_NK, SharedPlattConfig("shared_platt", 30.0), ShrunkThresholdsConfig("shrunk", 20.0))


@dataclass
class Counting:
    """Counts how often it learned; dies when it has learned `most` times."""

    most: int = 10**9
    seen: list[int] = field(default_factory=list)

    def learn(self, labelled: Rows, test: Rows, seed: int, *, needs: Collection[Needs], place: str) -> Learned:
        if len(self.seen) == self.most:
            raise KeyboardInterrupt
        assert not set(labelled.tolist()) & set(test.tolist())
        self.seen.append(len(labelled))
        return head().learn(labelled, test, seed, needs=needs, place=place)


def test_no_test_record_is_ever_asked_and_none_twice(tmp_path: Path) -> None:
    test, pool, start = sides(Y_NK, GROUPS_N, PLAN, 0)
    for strategy in (*PLAN.strategies, "bald+core_set"):
        curve = replay(tmp_path, PLAN, strategy, 0, head(), Y_NK, GROUPS_N)
        asked = [row for each in curve.rounds for row in each.chosen]
        assert [each.labels for each in curve.rounds] == [20, 30, 40, 50]
        assert len(asked) == len(set(asked)) == 30
        assert not set(asked) & {*test.tolist(), *start.tolist()}
        assert set(asked) <= set(pool.tolist())


def test_strategies_of_a_seed_start_alike_and_seeds_differ(tmp_path: Path) -> None:
    curves = [replay(tmp_path, PLAN, name, seed, head(), Y_NK, GROUPS_N) for name in PLAN.strategies for seed in (0, 1)]
    assert curves[0].rounds[0].scores == curves[2].rounds[0].scores
    assert curves[0].rounds[0].scores != curves[1].rounds[0].scores
    assert read_curves(tmp_path, PLAN) == curves


def test_what_was_killed_goes_on_and_ends_alike(tmp_path: Path) -> None:
    whole = replay(tmp_path / "whole", PLAN, "gain_scarce+coverage", 1, head(), Y_NK, GROUPS_N)
    with pytest.raises(KeyboardInterrupt):
        replay(tmp_path / "killed", PLAN, "gain_scarce+coverage", 1, Counting(2), Y_NK, GROUPS_N)
    assert read_curves(tmp_path / "killed", PLAN) == []
    again = Counting()
    assert replay(tmp_path / "killed", PLAN, "gain_scarce+coverage", 1, again, Y_NK, GROUPS_N) == whole
    assert again.seen == [40, 50]
    done = Counting()
    assert replay(tmp_path / "killed", PLAN, "gain_scarce+coverage", 1, done, Y_NK, GROUPS_N) == whole
    assert done.seen == []


def test_more_labels_make_a_better_head(tmp_path: Path) -> None:
    plan = replace(PLAN, start=10, step=80, labels=90)
    gains = []
    for seed in range(3):
        first, last = replay(tmp_path, plan, "random", seed, head(), Y_NK, GROUPS_N).rounds
        gains.append(last.scores["map"] - first.scores["map"])
    assert np.mean(gains) > 0.02


def test_members_come_where_a_strategy_wants_them() -> None:
    test, _, start = sides(Y_NK, GROUPS_N, PLAN, 0)
    learned = head().learn(start, test, 0, needs={"members_ENK"}, place="x")
    assert learned.members_ENK is not None
    assert learned.members_ENK.shape == (5, 160, 4)
    assert len({each.tobytes() for each in learned.members_ENK}) == 5
    assert head().learn(start, test, 0, needs=(), place="x").members_ENK is None


def test_a_tag_that_no_labelled_record_bears_has_its_base_rate() -> None:
    y_NK = np.hstack([Y_NK, np.zeros((160, 1), dtype=np.uint8)])
    learner = replace(head(), y_NK=y_NK)
    probs_NK = learner.learn(np.arange(30), np.arange(100, 160), 0, needs=(), place="x").probs_NK
    assert np.ptp(probs_NK[:, 4]) < 1e-9
    assert probs_NK[0, 4] < 0.2


def test_a_folder_of_another_simulation_is_refused(tmp_path: Path) -> None:
    open_simulation(tmp_path / "a", PLAN, {"learner": "head"}, "abc")
    open_simulation(tmp_path / "a", replace(PLAN, seeds=9, strategies=("random",)), {"learner": "head"}, "abc")
    with pytest.raises(SweepError, match="other step: expected 10, found 5"):
        open_simulation(tmp_path / "a", replace(PLAN, step=5), {"learner": "head"}, "abc")
    with pytest.raises(SweepError, match="other fingerprint, learner"):
        open_simulation(tmp_path / "a", PLAN, {"learner": "finetune"}, "def")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.txt").write_text("mine")
    with pytest.raises(SweepError, match="expected a new folder or a simulation's"):
        open_simulation(tmp_path / "b", PLAN, {}, "abc")


def test_a_damaged_curve_is_named(tmp_path: Path) -> None:
    path = curve_path(tmp_path, "random", 0)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"strategy": "random"}))
    with pytest.raises(SweepError, match=r"0-random\.json: expected a curve of a simulation"):
        read_curve(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": 0}, "seeds: expected at least 1, found 0"),
        ({"labels": 25}, "labels: expected at least 30"),
        ({"test_share": 1.0}, "test share: expected above 0 and below 1, found 1.0"),
    ],
)
def test_plans_that_cannot_be_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(PLAN, **change)  # type: ignore[arg-type]


def test_a_pool_that_is_too_small_is_named() -> None:
    with pytest.raises(ConfigError, match="labels: expected at most the 112 records of the pool, found 150"):
        sides(Y_NK, GROUPS_N, replace(PLAN, labels=150), 0)


def test_curves_are_equal_by_value() -> None:
    assert Curve("a", 0, ()) == Curve("a", 0, ())
