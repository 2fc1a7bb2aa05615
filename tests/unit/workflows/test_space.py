"""Search spaces: what a trial may choose, and where the default recipe lies in them."""

from __future__ import annotations

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagnet.workflows.space import Choice, Condition, Dimension, Interval, default_point, describe, plain_value, suggest

SPACE = [
    Dimension("loss.gamma", Interval(0.5, 4.0), Condition("loss", "focal")),
    Dimension("loss", Choice(("bce", "focal"))),
    Dimension("optim.lr", Interval(1e-5, 1e-3, log=True)),
    Dimension("trainer.batch_size", Interval(8, 64, integer=True)),
    Dimension("trainer.patience", Choice(("null", "3"))),
]


def fixed(**params: object) -> optuna.trial.FixedTrial:
    return optuna.trial.FixedTrial({"optim.lr": 1e-4, "trainer.batch_size": 16, "trainer.patience": "null", **params})


def test_a_dimension_with_a_condition_counts_only_there() -> None:
    proposal = suggest(fixed(loss="bce"), SPACE)  # type: ignore[arg-type]
    assert "loss.gamma" not in proposal.params
    proposal = suggest(fixed(**{"loss": "focal", "loss.gamma when loss=focal": 2.5}), SPACE)  # type: ignore[arg-type]
    assert proposal.params["loss.gamma"] == 2.5
    assert proposal.overrides.index("loss=focal") < proposal.overrides.index("loss.gamma=2.5")


def test_what_is_written_is_what_is_trained() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(50):
        proposal = suggest(study.ask(), SPACE)
        by_key = dict(text.split("=") for text in proposal.overrides)
        assert {key: plain_value(text) for key, text in by_key.items()} == proposal.params
        assert 1e-5 <= proposal.params["optim.lr"] <= 1e-3
        assert isinstance(proposal.params["trainer.batch_size"], int)
        assert 8 <= proposal.params["trainer.batch_size"] <= 64
        assert proposal.params["trainer.patience"] in (None, 3)


@given(low=st.floats(-10, 9), width=st.floats(0.5, 5), value=st.floats(-20, 20))
def test_the_default_is_a_point_exactly_where_it_lies_inside(low: float, width: float, value: float) -> None:
    space = [Dimension("model.dropout", Interval(low, low + width))]
    point = default_point(space, {"model.dropout": value})
    assert (point is not None) == (low <= value <= low + width)


def test_a_default_with_another_option_needs_no_value_for_what_does_not_apply() -> None:
    settings = {"loss": "bce", "optim.lr": 1e-4, "trainer.batch_size": 16, "trainer.patience": None}
    assert default_point(SPACE, settings) == {
        "loss": "bce",
        "optim.lr": 1e-4,
        "trainer.batch_size": 16,
        "trainer.patience": "null",
    }
    assert default_point(SPACE, settings | {"trainer.patience": 4}) is None


def test_two_spaces_are_told_apart_by_what_they_say() -> None:
    other = [Dimension("loss.gamma", Interval(0.5, 4.5), Condition("loss", "focal")), *SPACE[1:]]
    assert describe(SPACE) != describe(other)
    assert describe(SPACE)["optim.lr"] == "tag(log,interval(1e-05,0.001))"


@pytest.mark.parametrize(("text", "value"), [("bce", "bce"), ("07", 7), ("1e-4", 1e-4), ("False", False), ("", "")])
def test_plain_values(text: str, value: object) -> None:
    assert plain_value(text) == value
