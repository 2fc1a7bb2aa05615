"""Which tracker a run gets, what it is told, and what is found out before any data are read."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from lightning_utilities.core.rank_zero import rank_zero_only

from tagnet.config import MLflowConfig, NoLoggerConfig, TensorBoardConfig, TrackioConfig, TrainConfig, WandbConfig
from tagnet.data.prepare import Prepared
from tagnet.errors import ConfigError, MissingExtraError
from tagnet.training.fit import fit
from tagnet.training.measure import Outcome
from tagnet.training.tracking.registry import check_logger, make_logger, results_of, starting_point, tracked
from tagnet.training.tracking.tracker import Tracker

MakeConfig = Callable[..., TrainConfig]


@pytest.mark.parametrize(
    ("tool", "extra"), [("tensorboard", "train"), ("mlflow", "mlflow"), ("wandb", "wandb"), ("trackio", "trackio")]
)
def test_a_missing_package_is_found_out_before_data_are_read(
    tool: str, extra: str, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, tool, None)
    config = make_config(f"logger={tool}", f"run.dir={tmp_path / 'run'}", "data.records=nowhere.json")
    with pytest.raises(MissingExtraError, match=rf"logger={tool} needs .*\n.*pip install 'tagnet\[{extra}\]'"):
        fit(config)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user who has no account of Weights & Biases."""
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.mark.usefixtures("nobody")
def test_wandb_without_a_key_is_found_out_and_nobody_is_asked(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def asked(*_: Any) -> str:
        raise AssertionError("it asked for a key")

    monkeypatch.setattr("builtins.input", asked)
    monkeypatch.setattr("getpass.getpass", asked)
    monkeypatch.setattr("wandb.errors.term.can_use_terminput", lambda: True)
    config = make_config("logger=wandb", "logger.offline=false", f"run.dir={tmp_path / 'run'}", "data.records=no.json")
    with pytest.raises(ConfigError, match=r"logger\.offline=false: expected an API key .*, found none\.\nRun `wandb"):
        fit(config)


@pytest.mark.usefixtures("nobody")
def test_wandb_with_something_that_is_no_key(make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "short")
    with pytest.raises(ConfigError, match=r"logger\.offline=false: .*WANDB_API_KEY invalid"):
        check_logger(make_config("logger=wandb", "logger.offline=false").logger)


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:////proc/nowhere/mlflow.db", "bogus://nowhere"])
def test_an_mlflow_server_that_does_not_answer(uri: str, make_config: MakeConfig) -> None:
    with pytest.raises(ConfigError, match=rf"logger\.uri={uri}: expected mlflow to take the run, found: "):
        check_logger(make_config("logger=mlflow", f"logger.uri={uri}").logger)


def test_only_the_first_process_asks_and_logs(
    make_config: MakeConfig, prepared: Prepared, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    check_logger(make_config("logger=mlflow", "logger.uri=http://127.0.0.1:9").logger)
    with tracked(make_config(), tmp_path, prepared) as tracker:
        assert tracker is None
    assert not list(tmp_path.iterdir())


def test_every_logger_has_its_tool(tmp_path: Path) -> None:
    assert make_logger(NoLoggerConfig("none"), tmp_path, "name") is None
    for config in (
        TensorBoardConfig("tensorboard"),
        MLflowConfig("mlflow", None, "tagnet"),
        WandbConfig("wandb", "tagnet", True),
        TrackioConfig("trackio", "tagnet"),
    ):
        tracker = make_logger(config, tmp_path, "name")
        assert tracker is not None
        assert tracker.name == config.name
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "status"),
    [(None, "finished"), (ValueError, "failed"), (KeyboardInterrupt, "killed"), (SystemExit, "killed")],
)
def test_the_tool_is_told_how_the_run_ended(
    error: type[BaseException] | None,
    status: str,
    config: TrainConfig,
    prepared: Prepared,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    told: list[str] = []
    monkeypatch.setattr(Tracker, "close", lambda self, status: told.append(status))
    expected: AbstractContextManager[Any] = nullcontext() if error is None else pytest.raises(error)
    with expected, tracked(config, tmp_path, prepared):
        if error is not None:
            raise error
    assert told == [status]


def test_a_run_says_what_it_starts_from(config: TrainConfig, prepared: Prepared) -> None:
    facts = starting_point(config, prepared)
    assert facts["optim.lr"] == config.optim.lr
    assert facts["evaluation.baselines"] == ["prior"]
    assert facts["logger.name"] == "tensorboard"
    assert facts["num_tags"] == 3
    assert facts["num_records.train"] == len(prepared.split.train)
    assert len(str(facts["fingerprint.label_space"])) == 64
    assert {"environment.commit", "environment.torch", "environment.gpu"} <= set(facts)
    json.dumps(facts, allow_nan=False)


def test_a_run_says_what_metrics_json_says(outcome: Outcome, tmp_path: Path) -> None:
    results = results_of(outcome, 7, tmp_path)
    plain = outcome.to_plain()
    assert results.metrics["final.test.map"] == plain["test"]["map"]["value"]
    assert results.metrics["final.val.f1_micro"] == plain["val"]["f1_micro"]["value"]
    assert {name.split(".")[1] for name in results.metrics} == {"val", "test"}
    assert [tag for tag, *_ in results.tags] == [row.tag for row in outcome.rows]
    assert (results.step, results.report) == (7, tmp_path / "report.html")
