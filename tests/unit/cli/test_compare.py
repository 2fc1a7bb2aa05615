"""`tagnet compare`: what it prints and writes of a sweep, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tagnet.cli import main as cli
from tagnet.cli.compare import run
from tagnet.cli.compose import train_config
from tagnet.workflows.study_files import ALWAYS, Sweep, Trial, write_sweep, write_trial

SWEEP = Sweep(
    proposer="grid",
    objective="val.map_micro",
    tie_break="val.map",
    direction="maximize",
    overrides=(*ALWAYS, "encoder=tiny"),
    space={"loss": "choice(bce,focal)", "optim.lr": "choice(1e-4,2e-4)"},
)
VALUES = {("bce", 1e-4): 0.6, ("bce", 2e-4): 0.5, ("focal", 1e-4): 0.7, ("focal", 2e-4): 0.4}


@pytest.fixture
def trials() -> list[Trial]:
    """The four of a grid, of which the first changes nothing, and one that failed."""
    made = [
        Trial(
            n, (f"loss={loss}", f"optim.lr={lr}"), {"loss": loss, "optim.lr": lr}, "complete", value, 0.3, None, (), 5.0
        )
        for n, ((loss, lr), value) in enumerate(VALUES.items())
    ]
    return [*made, replace(made[0], number=4, state="failed", value=None, reason="the disk is full", params={})]


@pytest.fixture
def sweep_folder(tmp_path: Path, trials: list[Trial]) -> Path:
    folder = tmp_path / "a sweep"
    write_sweep(folder, SWEEP)
    for trial in trials:
        write_trial(folder, trial)
    return folder


def test_it_prints_the_trials_and_writes_the_page_and_the_best(
    sweep_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run([sweep_folder], None, everything=False, gate=False)
    out = " ".join(capsys.readouterr().out.split())
    assert "trial 2 reaches val.map_micro 0.7000: 0.1000 better than the recipe as it was (trial 0, 0.6000)" in out
    assert "the disk is full" in out
    assert {path.name for path in sweep_folder.iterdir()} == {"sweep.json", "trials", "compare.html", "best.yaml"}
    best = train_config(f"experiment={sweep_folder / 'best.yaml'}", "run.dir=x")
    assert best == train_config("encoder=tiny", "loss=focal", "optim.lr=1e-4", "run.dir=x")
    assert f"tagnet train experiment='{sweep_folder / 'best.yaml'}'" in out
    # Whoever runs it wants to know how it compares, and on test.
    assert best.run.test
    assert best.evaluation.baselines


def test_what_the_command_line_asked_for_stays_in_the_best(sweep_folder: Path) -> None:
    write_sweep(sweep_folder, replace(SWEEP, overrides=(*SWEEP.overrides, "evaluation.baselines=[prior]")))
    run([sweep_folder], None, everything=False, gate=False)
    best = train_config(f"experiment={sweep_folder / 'best.yaml'}")
    assert best.evaluation.baselines == ("prior",)


def test_the_files_can_go_elsewhere(sweep_folder: Path, tmp_path: Path) -> None:
    before = sorted(sweep_folder.rglob("*"))
    run([sweep_folder], tmp_path / "new" / "place", everything=True, gate=False)
    assert {path.name for path in (tmp_path / "new" / "place").iterdir()} == {"compare.html", "best.yaml"}
    assert sorted(sweep_folder.rglob("*")) == before


def test_a_sweep_that_has_just_begun(
    sweep_folder: Path, trials: list[Trial], capsys: pytest.CaptureFixture[str]
) -> None:
    for trial in trials:
        write_trial(sweep_folder, replace(trial, state="running", value=None, tie_break=None))
    run([sweep_folder], None, everything=False, gate=False)
    out = capsys.readouterr().out
    assert "No trial is complete yet." in out
    assert "experiment=" not in out
    assert (sweep_folder / "compare.html").is_file()
    assert not (sweep_folder / "best.yaml").exists()


def test_an_experiment_that_has_moved_costs_best_yaml_alone(
    sweep_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sweep(sweep_folder, replace(SWEEP, overrides=("experiment=gone/away.yaml",)))
    run([sweep_folder], None, everything=False, gate=False)
    captured = capsys.readouterr()
    assert "warning: best.yaml is not written: experiment=gone/away.yaml" in captured.err
    assert "trial 2 reaches" in " ".join(captured.out.split())
    assert not (sweep_folder / "best.yaml").exists()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "sweep.json").unlink(), "expected the folder of a sweep, found no sweep.json"),
        (lambda folder: (folder / "sweep.json").write_text("{"), "sweep.json: expected a file of a sweep"),
        (lambda folder: (folder / "sweep.json").write_text("[]"), "sweep.json: expected a file of a sweep"),
        (lambda folder: (folder / "trials" / "0001.json").write_text("\x00"), "0001.json: expected a file of a sweep"),
        (
            lambda folder: (folder / "trials" / "0001.json").write_text('{"number": 1}'),
            "overrides: this key is missing",
        ),
        (lambda folder: [path.unlink() for path in (folder / "trials").iterdir()], "found none yet"),
    ],
)
def test_what_is_no_sweep_or_damaged_is_one_error(
    sweep_folder: Path,
    spoil: Callable[[Path], object],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(sweep_folder)
    monkeypatch.setattr("sys.argv", ["tagnet", "compare", str(sweep_folder)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    captured = capsys.readouterr()
    assert stop.value.code == 2
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert said in captured.err
    assert not (sweep_folder / "compare.html").exists()


def test_a_trial_of_a_wrong_kind_is_one_error(
    sweep_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = sweep_folder / "trials" / "0001.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"state": "sleeping"}))
    monkeypatch.setattr("sys.argv", ["tagnet", "compare", str(sweep_folder)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert "state: expected running, complete, pruned, failed; found 'sleeping'" in capsys.readouterr().err
