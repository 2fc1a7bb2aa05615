"""Command lines of sweeps that cannot be run: one clear error before any training, and nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from tagnet.cli import main as cli
from tagnet.cli.compose import config_groups, launch_groups, parse, train_config
from tagnet.cli.multirun import _flat, _hydra, _jobs_at_once, _plan
from tagnet.cli.space_grammar import check_grid, check_space, read_space, values_of
from tagnet.cli.sweep_request import read_request
from tagnet.errors import ConfigError
from tagnet.workflows.space import Choice, Condition, Dimension, Interval, default_point
from tagnet.workflows.study_files import ALWAYS

Tagnet = Callable[..., tuple[int, str]]


@pytest.fixture
def tagnet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Tagnet:
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["tagnet", "train", "-m", "encoder=tiny", "trainer=cpu", *words])
        code: object = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code
        return int(str(code)), capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("launcher=slrum", "loss=bce,focal"), "launcher=slrum: expected one of joblib, local"),
        (("sweeper=optuma",), "did you mean optuna?"),
        (("sweeper=optuna", "sweeper.trial=3"), "did you mean sweeper.trials?"),
        (("sweeper=optuna", "sweeper.trials=none"), "sweeper.trials: expected a whole number"),
        (("sweeper=optuna", "sweeper.pruner=medium"), "did you mean median?"),
        (("sweeper=optuna", "space=loses"), "did you mean losses?"),
        (("space=losses",), "a search space needs sweeper=optuna"),
        (("sweeper=optuna", "space.loss=bce"), "give what is searched by its own key"),
        (("sweeper=optuna", "space=none"), "expected something to search"),
        (("launcher=joblib", "launcher.n_job=2", "loss=bce,focal"), "did you mean launcher.n_jobs?"),
        (("launcher=joblib", "launcher.n_jobs=many", "loss=bce,focal"), "launcher.n_jobs"),
        (("loss=bce,focla",), "did you mean focal?"),
        (("optim.lr=interval(1e-5,1e-3)",), "an interval needs sweeper=optuna"),
        (("sweeper=optuna", "optim.lr=interval(1e-3,1e-5)"), "LOW < HIGH"),
        (("sweeper=optuna", "optim.lr=tag(log,interval(0,1e-5))"), "both above 0"),
        (("sweeper=optuna", "optim.lrr=interval(1e-5,1e-3)"), "did you mean optim.lr?"),
        (("optim.lr=1e-4,-1",), "optim.lr: expected a positive number"),
        (("sweeper=optuna", "optim.lr=glob(*)"), "expected choice"),
        (("trainer.monitor=val.map_mircro", "loss=bce,focal"), "did you mean val.map_micro?"),
        (("trainer.accelerator=gpu", "loss=bce,focal"), "expected a GPU"),
        (("run.dir=a,b", "loss=bce,focal"), "it is the folder of the whole sweep"),
        (("sweeper=optuna", "run.dir=interval(1,2)"), "it is the folder of the whole sweep"),
        (("trainer.monitor=val.map,val.loss",), "trials are compared by one metric"),
        (("run.test=true,false",), "test records are not looked at"),
        (("optim.lr=1e-4,2e-4", "optim.lr=3e-4,4e-4"), "optim.lr: expected its values once"),
        (("loss=bce,focal", "loss=asl"), "loss: expected its values once"),
        (("launcher=joblib,local",), "only a training's settings are swept"),
        (("launcher=joblib", "~launcher.n_jobs", "loss=bce,focal"), "settings cannot be deleted"),
        (("sweeper=optuna", "space=losses", "sweeper.workers=4"), "give launcher=joblib launcher.n_jobs=4"),
        (("sweeper=optuna", "launcher=joblib", "launcher.n_jobs=2", "sweeper.workers=4"), "give launcher.n_jobs=4"),
        (
            ("launcher=ray", "launcher.ray.remote.num_gpu=1", "loss=bce,focal"),
            "did you mean launcher.ray.remote.num_gpus",
        ),
        (("launcher=joblib", "trainer=ddp", "trainer.accelerator=auto", "loss=bce,focal"), "trainer.strategy=single"),
        (("launcher=slurm", "loss=bce,focal"), "found no srun"),
        (("experiment=a.yaml,b.yaml",), "expected one file, found several"),
        (("data.records=missing.json", "run.seed=0,1"), "missing.json"),
        (("encoder=no/such", "run.seed=0,1"), "no/such"),
        (("adapter=lora", "model.head=linear,tag_names", "adapter.rank=0"), "adapter.rank"),
        (("loss=bce,focal", "loss.gamma=1,2"), "loss.gamma: there is no such key"),
        (("loss=bce,focal", "--cfg", "job"), "it shows the settings of a single run"),
    ],
)
def test_words_that_cannot_be_used(words: tuple[str, ...], expected: str, tagnet: Tagnet, tmp_path: Path) -> None:
    code, said = tagnet(*words)
    assert code == 2, said
    assert expected in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sweeper", ["grid", "optuna"])
def test_a_folder_that_is_a_file(sweeper: str, tagnet: Tagnet, tmp_path: Path) -> None:
    (tmp_path / "notes").touch()
    code, said = tagnet(f"sweeper={sweeper}", "loss=bce,focal", "run.dir=notes")
    assert (code, "expected a folder for the sweep, found a file" in said) == (2, True), said


def test_every_combination_of_a_grid_is_built_and_no_other() -> None:
    both = [Dimension("loss", Choice(("focal", "asl"))), Dimension("loss.gamma_negative", Choice(("1", "2")))]
    with pytest.raises(ConfigError, match=r"loss\.gamma_negative"):
        check_grid((), both)
    # The default loss has no γ, and is not in the grid.
    check_grid(
        (), [Dimension("loss", Choice(("focal", "distribution_balanced"))), Dimension("run.seed", Choice(("1",)))]
    )
    check_grid((), [Dimension("loss", Choice(("focal",))), Dimension("loss.gamma", Choice(("1", "2")))])


def test_a_space_must_fit_every_option_of_a_group_that_is_searched() -> None:
    space = [Dimension("loss", Choice(("focal", "bce"))), Dimension("loss.gamma", Interval(1, 2))]
    with pytest.raises(ConfigError, match=r"loss\.gamma"):
        check_space((), space)
    check_space((), [space[0], Dimension("loss.gamma", Interval(1, 2), Condition("loss", "focal"))])


@pytest.mark.parametrize("key", ["trainer.max_epochs", "trainer.patience", "trainer.batch_size"])
def test_whole_numbers_are_known_also_where_the_default_is_null(key: str) -> None:
    (dimension,) = read_space({}, [parse(f"{key}=interval(3,10)")], ())
    assert dimension.values == Interval(3, 10, integer=True)


def test_a_folder_with_other_things_in_it(tagnet: Tagnet, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    code, said = tagnet("loss=bce,focal", "run.dir=mine")
    assert code == 2
    assert "thesis.tex" in said


def test_a_study_of_another_space_is_refused_before_any_training(tagnet: Tagnet, tmp_path: Path) -> None:
    import optuna

    database = f"sqlite:///{tmp_path / 'shared.db'}"
    study = optuna.create_study(study_name="tagnet", storage=database)
    study.set_user_attr("tagnet.sweep", {"proposer": "optuna", "space": {"loss": "choice(bce,asl)"}})
    words = ("sweeper=optuna", "space=none", "loss=bce,focal", f"sweeper.storage={database}", "run.dir=sweep")
    code, said = tagnet(*words)
    assert code == 2
    assert "another sweep is there" in said
    assert not (tmp_path / "sweep" / "trials").exists()


@pytest.mark.parametrize("word", ["launcher=joblib", "sweeper=optuna", "space=losses", "sweeper.trials=3"])
def test_a_single_run_has_no_launcher(word: str) -> None:
    with pytest.raises(ConfigError, match="tagnet train -m"):
        train_config(word)


def test_a_command_line_is_taken_apart() -> None:
    request = read_request(["run.dir=x", "loss=bce,focal", "sweeper=optuna", "sweeper.trials=9", "optim.lr=1e-4"])
    assert request.fixed == ("run.dir=x", "optim.lr=1e-4")
    assert [override.key_or_group for override in request.swept] == ["loss"]
    assert request.launch == ("sweeper=optuna", "++hydra.sweeper.trials=9")
    assert (request.launcher, request.sweeper) == ("local", "optuna")


def test_launching_is_no_setting_of_a_run() -> None:
    assert set(launch_groups()) == {"launcher", "sweeper", "space"}
    assert not set(launch_groups()) & set(config_groups())


def written(name: str) -> dict[str, object]:
    content = yaml.safe_load((files("tagnet.conf") / "space" / f"{name}.yaml").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


@pytest.mark.parametrize("name", [name for name in launch_groups()["space"] if name != "none"])
def test_every_shipped_space_fits_the_settings_and_holds_the_default_recipe(name: str) -> None:
    space = read_space(written(name), [], ALWAYS)
    check_space(ALWAYS, space)
    assert default_point(space, _flat(train_config(*ALWAYS))) is not None


def test_the_command_line_has_the_last_word_on_the_space() -> None:
    file = {"loss": "choice(bce,focal)", "when loss=focal": {"loss.gamma": "interval(0,4)"}, "optim.lr": "1e-4,2e-4"}
    assert read_space(file, [], ()) == [
        Dimension("loss", Choice(("bce", "focal"))),
        Dimension("loss.gamma", Interval(0, 4), Condition("loss", "focal")),
        Dimension("optim.lr", Choice(("0.0001", "0.0002"))),
    ]
    swept = [parse("optim.lr=tag(log,interval(1e-5,1e-3))"), parse("trainer.batch_size=interval(8,64)")]
    assert read_space(file, swept, ("loss=focal",)) == [
        Dimension("loss.gamma", Interval(0, 4)),
        Dimension("optim.lr", Interval(1e-5, 1e-3, log=True)),
        Dimension("trainer.batch_size", Interval(8, 64, integer=True)),
    ]
    assert [d.key for d in read_space(file, [], ("loss=bce",))] == ["optim.lr"]


@pytest.mark.parametrize("value", ["optim.lr=1e-4", "optim.lr=[1,2]"])
def test_one_value_is_no_choice(value: str) -> None:
    with pytest.raises(ConfigError, match="expected choice"):
        values_of(parse(value))


@pytest.mark.parametrize("sweeper", launch_groups()["sweeper"])
@pytest.mark.parametrize("launcher", launch_groups()["launcher"])
def test_every_launcher_composes_with_every_sweeper(launcher: str, sweeper: str, tmp_path: Path) -> None:
    request = read_request([f"launcher={launcher}", f"sweeper={sweeper}"])
    with _hydra() as hydra:
        plan = _plan(hydra, request, tmp_path)
    names = {"local": "basic", "slurm": "submitit_slurm"}
    assert plan.hydra.runtime.choices["hydra/launcher"] == names.get(launcher, launcher)
    assert Path(plan.hydra.sweep.dir) == tmp_path
    assert _jobs_at_once(plan) >= 1
