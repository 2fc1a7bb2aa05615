"""The best trial as an experiment file: Hydra composes it to the settings that the trial had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tagnet.cli.compose import compose_plain
from tagnet.cli.recipe import read_recipe
from tagnet.errors import ConfigError
from tagnet.workflows.best_experiment import Recipe, experiment_yaml, write_best
from tagnet.workflows.study_files import Sweep, Trial

MADE_BEFORE = """\
# @package _global_
defaults:
- override /loss: asl
- override /trainer: cpu
loss:
  clip: 0.1
data:
  columns: {title: name}
optim: {lr: 3.0e-05}
run: {name: NAME}
"""


def compose_without_run(*overrides: str) -> dict[str, Any]:
    plain = compose_plain(overrides)
    del plain["run"]
    return plain


@pytest.mark.parametrize(
    ("shared", "own"),
    [
        ((), ()),
        (("encoder=tiny", "trainer=cpu", "run.name=x", "run.seed=3"), ("loss=focal", "loss.gamma=1.5")),
        (("loss=asl", "optim.lr=1e-3"), ("loss=focal", "optim.lr=2.5e-05", "thresholds=per_tag")),
        (("experiment=madewithml_b",), ("loss=zlpr", "labels.min_count=20", "trainer.patience=3")),
        (("experiment=madewithml_b", "experiment=null"), ("optim.lr=1e-3",)),
        (("experiment={before}", "data.columns={{description: text}}"), ("optim.lr=1e-3", "loss.clip=0.2")),
        (("experiment={before}",), ("+loss.clip=0.2", "data.columns.title=other")),
        (("data.records=own.json", "data.features=[title,description]"), ("model.dropout=0.25",)),
        (("data.records=größe=1.json", "labels.exclude=['c#','c++']"), ("data.window_overlap=null",)),
        (("data.columns.title=a", "data.columns={{title: b}}"), ("data.columns.title=c",)),
        (("optim.head_lr=${{optim.lr}}",), ("optim.lr=7e-5", "trainer.compile=true", "encoder='1'")),
    ],
)
def test_it_composes_to_the_settings_of_the_trial(
    shared: tuple[str, ...], own: tuple[str, ...], tmp_path: Path
) -> None:
    before = tmp_path / "before.yaml"
    before.write_text(MADE_BEFORE.replace("NAME", tmp_path.name))
    overrides = [text.format(before=before) for text in (*shared, *own)]
    path = tmp_path / "best.yaml"
    path.write_text(experiment_yaml(read_recipe(overrides), ("A remark.",)), encoding="utf-8")
    assert compose_without_run(f"experiment={path}") == compose_without_run(*overrides)
    assert str(before) not in path.read_text(encoding="utf-8")


def test_it_says_where_it_comes_from_and_how_to_run_it(tmp_path: Path) -> None:
    sweep = Sweep("optuna", "val.f1_micro", "val.f1_macro", "maximize", (), {"loss": "choice(bce,focal)"})
    trial = Trial(7, ("loss=focal",), {"loss": "focal"}, "complete", 0.71234, 0.61, None, (), 192.0)
    path = tmp_path / "a folder" / "best.yaml"
    write_best(path, sweep, trial, Recipe({"loss": "focal"}, {}))
    text = path.read_text()
    assert text.startswith(
        "# @package _global_\n# The best trial of a sweep, number 7, on validation: val.f1_micro 0.7123"
    )
    assert "val.f1_macro 0.6100; 3 min 12 s." in text
    assert f"tagnet train experiment='{path}'" in text
    assert yaml.safe_load(text) == {"defaults": [{"override /loss": "focal"}]}


def test_what_belongs_to_one_run_or_to_the_sweep_is_left_out() -> None:
    overrides = [
        "run.dir=x",
        "run.test=false",
        "hydra.sweep.dir=y",
        "launcher=joblib",
        "sweeper.trials=3",
        "space=optim",
    ]
    assert read_recipe([*overrides, "optim.lr=1"]) == Recipe({}, {"optim.lr": 1})


def test_an_experiment_that_is_no_longer_there(tmp_path: Path) -> None:
    gone = tmp_path / "gone.yaml"
    with pytest.raises(ConfigError, match="expected an experiment's YAML file"):
        read_recipe([f"experiment={gone}"])
    gone.write_text("defaults: [/loss: focal]")
    with pytest.raises(ConfigError, match="expected an experiment's YAML file"):
        read_recipe([f"experiment={gone}"])
