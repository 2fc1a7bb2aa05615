"""The final measurements: the network and its baselines by the same yardstick, each by its own rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from tagnet.calibration.fit import fit_decision_rule
from tagnet.config import FixedThresholdConfig, TrainConfig
from tagnet.data.prepare import Prepared
from tagnet.training.measure import SIDES, Outcome, measure, measured_sides


def leaves(value: Any) -> Iterator[Any]:
    """Every leaf of nested JSON."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    else:
        yield value


def test_every_side_is_measured_on_its_own_records(outcome: Outcome, prepared: Prepared) -> None:
    for side in SIDES:
        y_NK = prepared.corpus.y_NK[getattr(prepared.split, side)]
        for measured in (outcome.model[side], outcome.baselines["prior"][side]):
            assert measured.probs_NK.shape == y_NK.shape
            overall = measured.result.overall
            expected = f1_score(y_NK, measured.accepted_NK, average="micro", zero_division=0)
            assert overall["f1_micro"].value == pytest.approx(expected)
            assert overall["map"].value == pytest.approx(
                average_precision_score(y_NK, measured.probs_NK, average="macro")
            )
        np.testing.assert_array_equal(outcome.model[side].probs_NK, outcome.rule.probabilities(outcome.logits[side]))


def test_the_difference_to_a_baseline_is_that_of_the_values(outcome: Outcome) -> None:
    ours, theirs = outcome.model["test"].result.overall, outcome.baselines["prior"]["test"].result.overall
    difference = outcome.differences["prior"]["map"]
    assert difference.value == pytest.approx(ours["map"].value - theirs["map"].value)
    # Logits that know the labels are better than the same answer for everybody, and surely so.
    assert difference.low > 0


def test_a_row_a_tag_with_its_counts(outcome: Outcome, prepared: Prepared) -> None:
    y_NK, split = prepared.corpus.y_NK, prepared.split
    assert [row.tag for row in outcome.rows] == ["blue", "green", "red"]
    assert [row.train_support for row in outcome.rows] == y_NK[split.train].sum(0).tolist()
    assert [row.support for row in outcome.rows] == y_NK[split.test].sum(0).tolist()


def test_the_plain_form_is_nested_finite_numbers(outcome: Outcome) -> None:
    plain = outcome.to_plain()
    assert {"val", "test", "baselines", "split"} <= set(plain)
    assert set(plain["baselines"]["prior"]) == set(SIDES)
    for name in ("f1_micro", "f1_macro", "f1_weighted", "map", "ece"):
        assert set(plain["test"][name]) == {"value", "low", "high"}
    assert plain["collapsed"] == 0
    assert "collapse" not in plain
    for leaf in leaves(plain):
        assert isinstance(leaf, int | float)
        assert math.isfinite(leaf)


def test_without_test_validation_judges_and_is_measured_as_ever(
    make_config: Callable[..., TrainConfig], outcome: Outcome, untested: Outcome, prepared: Prepared
) -> None:
    assert measured_sides(make_config("run.test=false").run) == ("val",)
    assert measured_sides(make_config().run) == SIDES
    assert (outcome.judged, untested.judged) == ("test", "val")
    plain, all_of_it = untested.to_plain(), outcome.to_plain()
    assert plain == {
        "val": all_of_it["val"],
        "baselines": {"prior": {"val": all_of_it["baselines"]["prior"]["val"]}},
        "split": all_of_it["split"],
        "collapsed": 0,
    }
    y_VK = prepared.corpus.y_NK[prepared.split.val]
    assert [row.support for row in untested.rows] == y_VK.sum(0).tolist()
    ours, theirs = untested.model["val"].result.overall, untested.baselines["prior"]["val"].result.overall
    assert untested.differences["prior"]["map"].value == pytest.approx(ours["map"].value - theirs["map"].value)


def test_a_collapsed_model_is_said_to_be_one(config: TrainConfig, prepared: Prepared, outcome: Outcome) -> None:
    y_NK, split = prepared.corpus.y_NK, prepared.split
    logits_NK = np.zeros(y_NK.shape)
    never = FixedThresholdConfig("fixed", 0.999)
    rule = fit_decision_rule(outcome.rule.tags, logits_NK[split.val], y_NK[split.val], config.calibrator, never)
    found = measure(replace(config.evaluation, bootstrap_samples=50), 0, prepared, rule, logits_NK, {})
    assert found.collapse is not None
    assert "predicts nothing" in found.collapse
    assert found.to_plain()["collapsed"] == 1
    assert found.to_plain()["baselines"] == {}


def test_the_seed_moves_the_intervals_and_not_the_values(
    config: TrainConfig, prepared: Prepared, outcome: Outcome
) -> None:
    y_NK = prepared.corpus.y_NK
    logits_NK = 2.0 * y_NK - 1 + np.random.default_rng(0).normal(size=y_NK.shape)
    again, other = (measure(config.evaluation, seed, prepared, outcome.rule, logits_NK, {}) for seed in (0, 1))
    assert again.model["test"].result.overall == outcome.model["test"].result.overall
    first, second = again.model["test"].result.overall["map"], other.model["test"].result.overall["map"]
    assert first.value == second.value
    assert (first.low, first.high) != (second.low, second.high)
