"""Which settings matter: found where something matters, and left unsaid where nothing can be told."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from tagnet.workflows.importance import FEWEST_TRIALS, dimension_of, importances
from tagnet.workflows.study_files import Sweep, Trial

MakeSweep = Callable[..., tuple[Sweep, list[Trial]]]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("proposer", ["optuna", "grid"])
def test_what_decides_is_found(make_sweep: MakeSweep, direction: str, proposer: str) -> None:
    sweep, trials = make_sweep(number=60, direction=direction, proposer=proposer)
    worth = 1 if direction == "maximize" else -1
    trials = [replace(t, value=None if t.value is None else worth * t.value) for t in trials]
    found = importances(sweep, trials)
    assert found.note is None
    assert found.num_trials == sum(trial.state == "complete" for trial in trials)
    assert [row.name for row in found.rows[:2]] == ["optim.lr", "loss"]
    assert sum(row.share for row in found.rows) == pytest.approx(1)
    assert {row.name: row.num_trials for row in found.rows}["loss.gamma when loss=focal"] == sum(
        trial.state == "complete" and trial.params["loss"] == "focal" for trial in trials
    )


def test_a_key_under_two_conditions_is_two_settings(make_sweep: MakeSweep) -> None:
    space = {"loss": "choice(focal,asl)", "loss.clip when loss=focal": "…", "loss.clip when loss=asl": "…", "x": "…"}
    sweep, _ = make_sweep(space=space)
    assert dimension_of(sweep, {"loss": "asl"}, "loss.clip") == "loss.clip when loss=asl"
    assert dimension_of(sweep, {"loss": "focal"}, "loss.clip") == "loss.clip when loss=focal"
    assert dimension_of(sweep, {}, "x") == "x"
    assert dimension_of(sweep, {}, "unheard.of") == "unheard.of"


def test_values_of_every_kind(make_sweep: MakeSweep) -> None:
    sweep, trials = make_sweep(number=40)
    kinds = [None, True, "8", 8, 8.5, "[a,b]"]
    trials = [replace(t, params={**t.params, "trainer.patience": kinds[t.number % 6]}) for t in trials]
    assert "trainer.patience" in {row.name for row in importances(sweep, trials).rows}


def test_what_cannot_be_told_is_not_said(make_sweep: MakeSweep) -> None:
    sweep, trials = make_sweep(number=40)
    complete = [trial for trial in trials if trial.state == "complete"]
    few = importances(sweep, complete[: FEWEST_TRIALS - 1])
    assert (few.rows, few.note) == ((), "too few trials to tell: 7 complete, 8 needed")
    assert importances(sweep, complete[:FEWEST_TRIALS]).rows
    flat = importances(sweep, [replace(trial, value=0.5) for trial in complete])
    assert flat.note == "all complete trials reached the same"
    alike = importances(sweep, [replace(trial, params={"loss": "bce", "optim.lr": 0.1}) for trial in complete])
    assert alike.note == "no setting differs between the trials"
    assert importances(sweep, []).rows == ()


def test_without_optuna_it_says_what_to_install(make_sweep: MakeSweep, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "optuna"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "optuna", None)
    found = importances(*make_sweep())
    assert found.rows == ()
    assert "pip install 'tagnet[sweep]'" in (found.note or "")
