"""What is said of a sweep: which trial is the best, and by how much it is better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tagnet.workflows.study_files import Sweep, Trial
from tagnet.workflows.study_view import rank, verdict, view_study

MakeSweep = Callable[..., tuple[Sweep, list[Trial]]]


def test_complete_trials_come_first_and_the_best_of_them_leads(make_sweep: MakeSweep) -> None:
    sweep, trials = make_sweep()
    view = view_study(sweep, trials)
    states = [trial.state for trial in view.ranked]
    assert states == ["complete"] * 8 + ["pruned", "running", "failed", "failed"]
    values = [trial.value or 0 for trial in view.ranked[:8]]
    assert values == sorted(values, reverse=True)
    assert view.best == view.ranked[0]
    assert view.counts == {"complete": 8, "pruned": 1, "failed": 2, "running": 1}
    assert view.failures == {"out of <memory>": (5, 9)}


def test_less_can_be_better(make_sweep: MakeSweep) -> None:
    sweep, trials = make_sweep(objective="val.loss", direction="minimize")
    view = view_study(sweep, trials)
    complete = [trial.value for trial in trials if trial.state == "complete" and trial.value is not None]
    assert view.best is not None
    assert view.best.value == min(complete)
    assert view.gain == pytest.approx((trials[0].value or 0) - min(complete))
    assert (view.gain or 0) > 0


def test_of_like_objectives_the_tie_break_decides(make_sweep: MakeSweep) -> None:
    for direction in ("maximize", "minimize"):
        sweep, trials = make_sweep(direction=direction)
        one, two, three = (replace(trials[n], value=0.5, tie_break=tie) for n, tie in ((1, 0.2), (2, 0.3), (3, 0.3)))
        assert [trial.number for trial in rank(sweep, [three, one, two])] == [2, 3, 1]


def test_the_gain_is_over_the_recipe_as_it_was(make_sweep: MakeSweep) -> None:
    sweep, trials = make_sweep()
    view = view_study(sweep, trials)
    assert view.default == trials[0]
    assert view.best is not None
    assert view.gain == pytest.approx((view.best.value or 0) - (trials[0].value or 0))
    assert f"trial {view.best.number} reaches val.map_micro {view.best.value:.4f}" in verdict(view)
    assert f"{view.gain:.4f} better than the recipe as it was (trial 0, {trials[0].value:.4f})" in verdict(view)


def test_the_recipe_is_found_by_its_values_where_a_grid_has_it(make_sweep: MakeSweep) -> None:
    sweep, trials = make_sweep(proposer="grid")
    trials[0] = replace(trials[0], overrides=("optim.lr=1e-4",))
    assert view_study(sweep, trials).default is None
    as_it_was = {**trials[2].params, "loss": "focal", "loss.gamma": 2.0, "run.seed": 0}
    trials[2] = replace(trials[2], params={**trials[2].params, "loss": "focal", "loss.gamma": 2})
    found = view_study(sweep, trials, as_it_was).default
    assert found is not None
    assert found.number == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"state": "failed", "value": None}, "The recipe as it was, trial 0, is failed."),
        ({"value": 0.99}, "The recipe as it was, trial 0, is still the best of 8 complete trials: 0.9900."),
        ({"overrides": ("loss=bce",)}, "None is the recipe as it was"),
    ],
)
def test_where_there_is_nothing_to_compare_with_it_says_so(
    make_sweep: MakeSweep, change: dict[str, object], said: str
) -> None:
    sweep, trials = make_sweep()
    trials[0] = replace(trials[0], **change)  # type: ignore[arg-type]
    assert said in verdict(view_study(sweep, trials))


def test_nothing_complete_yet(make_sweep: MakeSweep) -> None:
    sweep, trials = make_sweep()
    view = view_study(sweep, [replace(trials[0], state="running", value=None)])
    assert (view.best, view.gain, view.varying) == (None, None, ())
    assert verdict(view) == "No trial is complete yet."


def test_settings_that_never_differ_are_no_columns(make_sweep: MakeSweep) -> None:
    sweep, trials = make_sweep()
    same = [replace(trial, params={**trial.params, "trainer.batch_size": 16}) for trial in trials]
    assert set(view_study(sweep, same).varying) == {"loss", "loss.gamma", "optim.lr", "model.pooling"}
