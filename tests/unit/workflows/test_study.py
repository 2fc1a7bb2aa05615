"""Optuna's study of a sweep: made once, refused to others, asked and told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import optuna
import pytest

from tagnet.errors import SweepError
from tagnet.workflows import study as studies
from tagnet.workflows.space import Choice, Condition, Dimension, Interval, describe
from tagnet.workflows.study_files import Sweep, Trial, write_trial
from tagnet.workflows.sweep_settings import OptunaSettings

SETTINGS = OptunaSettings(
    trials=6,
    workers=None,
    sampler="tpe",
    startup_trials=2,
    pruner="median",
    warmup_epochs=0,
    storage=None,
    study="tagnet",
    seed=0,
)
SPACE = [
    Dimension("loss", Choice(("bce", "focal"))),
    Dimension("loss.gamma", Interval(0.5, 4.0), Condition("loss", "focal")),
    Dimension("optim.lr", Interval(1e-5, 1e-3, log=True)),
]
SWEEP = Sweep("optuna", "val.map_micro", "val.map", "maximize", ("encoder=tiny",), describe(SPACE))


def ended(number: int, state: str, value: float | None = None, tie_break: float | None = None) -> Trial:
    return Trial(number, (), {}, state, value, tie_break, None, (), 1.0)  # type: ignore[arg-type]


def test_the_first_trial_is_the_recipe_as_it_is(tmp_path: Path) -> None:
    studies.start_study(tmp_path, SETTINGS, SWEEP, {"loss": "bce", "optim.lr": 1e-4})
    study = studies.open_study(tmp_path, SETTINGS)
    assert studies.num_proposed(study) == 0
    number, proposal = studies.propose(study, SPACE, SETTINGS)
    assert (number, proposal.overrides) == (0, ("loss=bce", "optim.lr=0.0001"))
    assert studies.num_proposed(study) == 1


def test_proposals_follow_from_the_seed_and_what_is_known(tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        studies.start_study(tmp_path / name, SETTINGS, SWEEP, None)
        proposals = []
        for number in range(6):
            study = studies.open_study(tmp_path / name, SETTINGS)  # as a command that was started again would
            asked, proposal = studies.propose(study, SPACE, SETTINGS)
            assert asked == number
            proposals.append(proposal)
            studies.tell(study, ended(number, "complete", 0.1 * number, 0.5))
        found.append(proposals)
    assert found[0] == found[1]
    assert len({proposal.overrides for proposal in found[0]}) == 6


def test_a_trial_that_was_asked_for_and_not_written_down_gets_its_settings_again(tmp_path: Path) -> None:
    studies.start_study(tmp_path, SETTINGS, SWEEP, None)
    study = studies.open_study(tmp_path, SETTINGS)
    number, proposal = studies.propose(study, SPACE, SETTINGS)
    again = studies.propose_again(studies.open_study(tmp_path, SETTINGS), number, SPACE, SETTINGS)
    assert again == proposal


def test_an_end_is_told_once(tmp_path: Path) -> None:
    studies.start_study(tmp_path, SETTINGS, SWEEP, None)
    study = studies.open_study(tmp_path, SETTINGS)
    for number, state in enumerate(("complete", "failed", "pruned")):
        studies.propose(study, SPACE, SETTINGS)
        for _ in range(2):
            studies.tell(study, ended(number, state, 0.5, 0.25))
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE", "FAIL", "PRUNED"]
    assert studies.running_trials(study) == []


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_tie_break_decides_between_equals_only(direction: Literal["maximize", "minimize"], tmp_path: Path) -> None:
    studies.start_study(tmp_path, SETTINGS, replace(SWEEP, direction=direction), None)
    study = studies.open_study(tmp_path, SETTINGS)
    better = 0.5001 if direction == "maximize" else 0.4999
    for number, (value, tie) in enumerate([(0.5, 0.1), (0.5, 0.9), (better, 0.0)]):
        studies.propose(study, SPACE, SETTINGS)
        studies.tell(study, ended(number, "complete", value, tie))
    assert study.best_trial.number == 2
    first, second = study.trials[0].value, study.trials[1].value
    assert first is not None
    assert second is not None
    assert (second > first) == (direction == "maximize")


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (replace(SWEEP, space={**SWEEP.space, "optim.lr": "tag(log,interval(1e-05,0.1))"}), "optim.lr was tag"),
        (replace(SWEEP, space={"loss": SWEEP.space["loss"]}), "is nothing"),
        (replace(SWEEP, overrides=("encoder=other",)), "overrides was"),
        (replace(SWEEP, objective="val.map"), "objective was val.map_micro, is val.map"),
    ],
)
def test_a_study_of_another_sweep_is_refused(other: Sweep, named: str, tmp_path: Path) -> None:
    studies.start_study(tmp_path, SETTINGS, SWEEP, None)
    studies.start_study(tmp_path, SETTINGS, SWEEP, None)
    with pytest.raises(SweepError, match=named):
        studies.start_study(tmp_path, SETTINGS, other, None)


def test_a_study_that_tagnet_did_not_make_is_refused(tmp_path: Path) -> None:
    optuna.create_study(study_name="tagnet", storage=f"sqlite:///{tmp_path / 'study.db'}").ask()
    with pytest.raises(SweepError, match="did not make"):
        studies.start_study(tmp_path, SETTINGS, SWEEP, None)


def test_a_start_that_was_killed_between_any_two_steps_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for steps in range(3):  # of set_user_attr, enqueue_trial and set_user_attr, those that were done before the kill
        folder = tmp_path / str(steps)
        folder.mkdir()
        seen = 0

        def dying(real: Any, steps: int = steps) -> Any:
            def call(*words: Any, **named: Any) -> Any:
                nonlocal seen
                seen += 1
                if seen > steps:
                    raise KeyboardInterrupt
                return real(*words, **named)

            return call

        with monkeypatch.context() as patch:
            for each in {"set_user_attr", "enqueue_trial"}:
                patch.setattr(optuna.Study, each, dying(getattr(optuna.Study, each)))
            with pytest.raises(KeyboardInterrupt):
                studies.start_study(folder, SETTINGS, SWEEP, {"loss": "bce", "optim.lr": 1e-4})
        studies.start_study(folder, SETTINGS, SWEEP, {"loss": "bce", "optim.lr": 1e-4})
        study = studies.open_study(folder, SETTINGS)
        # The recipe as it is comes first, and once.
        proposed = [studies.propose(study, SPACE, SETTINGS)[1].overrides for _ in range(3)]
        assert [each == ("loss=bce", "optim.lr=0.0001") for each in proposed] == [True, False, False]


def test_a_study_belongs_to_one_folder(tmp_path: Path) -> None:
    settings = replace(SETTINGS, storage=f"sqlite:///{tmp_path / 'shared.db'}")
    studies.start_study(tmp_path / "a", settings, SWEEP, None)
    studies.start_study(tmp_path / "a", settings, SWEEP, None)
    with pytest.raises(SweepError, match="found that of another folder"):
        studies.start_study(tmp_path / "b", settings, SWEEP, None)
    studies.start_study(tmp_path / "b", replace(settings, study="another"), SWEEP, None)


def test_a_new_study_does_not_take_the_trials_of_an_old_one(tmp_path: Path) -> None:
    studies.start_study(tmp_path, SETTINGS, SWEEP, None)
    write_trial(tmp_path, ended(0, "complete", 0.5, 0.5))
    (tmp_path / "study.db").unlink()
    with pytest.raises(SweepError, match="they would be overwritten"):
        studies.start_study(tmp_path, SETTINGS, SWEEP, None)


@pytest.mark.parametrize("pruner", ["median", "successive_halving"])
def test_none_is_given_up_before_enough_are_complete(
    pruner: Literal["median", "successive_halving"], tmp_path: Path
) -> None:
    settings = replace(SETTINGS, pruner=pruner, startup_trials=3)
    studies.start_study(tmp_path, settings, SWEEP, None)
    study = studies.open_study(tmp_path, settings)
    verdicts = []
    for value in (0.9, 0.8, 0.7, 0.1):  # each worse than all before
        number, _ = studies.propose(study, SPACE, settings)
        trial, asked = studies.trial_of(study, number), []
        for epoch in range(4):
            trial.report(value, epoch)
            asked.append(studies.should_give_up(trial, settings))
        verdicts.append(any(asked))
        studies.tell(study, ended(number, "complete", value, 0.5))
    assert verdicts == [False, False, False, True]


@pytest.mark.parametrize("storage", ["nonsense", "unknowndb://here/there", "sqlite:////no/such/folder/study.db"])
def test_a_storage_that_cannot_be_opened(storage: str, tmp_path: Path) -> None:
    with pytest.raises(SweepError, match=r"sweeper\.storage: the study cannot be opened"):
        studies.start_study(tmp_path, replace(SETTINGS, storage=storage), SWEEP, None)


def test_a_damaged_study(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with pytest.raises(SweepError, match=r"study\.db"):
        studies.start_study(tmp_path, SETTINGS, SWEEP, None)


@pytest.mark.parametrize("pruner", ["median", "successive_halving"])
def test_a_bad_trial_is_given_up_and_a_good_one_is_not(
    pruner: Literal["median", "successive_halving"], tmp_path: Path
) -> None:
    settings = replace(SETTINGS, pruner=pruner)
    studies.start_study(tmp_path, settings, SWEEP, None)
    study = studies.open_study(tmp_path, settings)
    for value in (0.6, 0.7, 0.65, 0.62):
        number, _ = studies.propose(study, SPACE, settings)
        trial = studies.trial_of(study, number)
        for epoch in range(4):
            trial.report(value + 0.01 * epoch, epoch)
            trial.should_prune()  # as a training asks after every epoch: the rungs remember it
        studies.tell(study, ended(number, "complete", value + 0.03, 0.5))
    verdicts = []
    for value in (0.1, 0.9):
        number, _ = studies.propose(study, SPACE, settings)
        trial = studies.trial_of(study, number)
        asked = []
        for epoch in range(2):
            trial.report(value, epoch)
            asked.append(trial.should_prune())
        verdicts.append(any(asked))
    assert verdicts == [True, False]


def test_settings_out_of_range() -> None:
    with pytest.raises(Exception, match=r"sweeper\.trials: expected at least 1, found 0"):
        replace(SETTINGS, trials=0)
    with pytest.raises(Exception, match=r"sweeper\.workers"):
        replace(SETTINGS, workers=0)
