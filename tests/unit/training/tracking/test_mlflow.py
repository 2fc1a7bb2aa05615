"""A run in MLflow: in a file of its own, and on a real server that goes away."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl

from tagnet.config import MLflowConfig, TrainConfig
from tagnet.training.fit import fit
from tagnet.training.tracking.mlflow import MLflowStore
from tagnet.training.tracking.tracker import Line, Results

OWN_FILE = MLflowConfig("mlflow", None, "tagnet")


def lines(*steps: int) -> list[Line]:
    train = [Line("train", step, {"lr": 0.1, "train.loss": 0.5}, time.time()) for step in steps]
    return [*train, Line("val", steps[-1], {"val.loss": 0.25}, time.time())]


def start(folder: Path, machine: str = "here") -> tuple[Any, str]:
    """A start of the run: its store, and under which id MLflow knows it."""
    store: Any = MLflowStore(OWN_FILE, folder, "name")
    store.open({"environment.platform": machine, "data.columns.size (cm)": "s" * 7000, "run.seed": 0})
    return store, store._run_id


def history(store: Any, name: str) -> list[int]:
    return [metric.step for metric in store._client.get_metric_history(store._run_id, name)]


def test_a_run_that_goes_on_is_the_same_one_and_knows_its_last_steps(tmp_path: Path) -> None:
    store, run_id = start(tmp_path)
    assert store.resume([]) == {}
    store.send(lines(1, 2, 3))
    again, same_id = start(tmp_path, machine="elsewhere")
    assert same_id == run_id
    assert again.resume(lines(1, 2)) == {"train": 3, "val": 3}
    run = again._client.get_run(run_id)
    assert run.info.status == "RUNNING"
    # A param of MLflow cannot change.
    assert run.data.params["environment.platform"] == "here"
    assert len(run.data.params["data.columns.size _cm_"]) == 6000
    assert run.data.params["run.seed"] == "0"
    again.close("killed")
    assert again._client.get_run(run_id).info.status == "KILLED"


def test_results_that_are_said_again_and_from_another_folder(tmp_path: Path) -> None:
    results = Results({"final.val.map": 0.5}, 2, [("a,b", 0.25, 3)], tmp_path / "here" / "report.html")
    (tmp_path / "here").mkdir()
    store, _ = start(tmp_path / "here")
    store.finish(results)
    (table,) = (tmp_path / "here").rglob("tags.csv")
    assert table.read_text() == 'tag,f1,records\n"a,b",0.25,3\n'
    shutil.move(tmp_path / "here", tmp_path / "there")
    again, _ = start(tmp_path / "there")
    again.finish(results)
    assert history(again, "final.val.map") == [2]
    assert not (tmp_path / "here").exists()


def test_a_file_that_was_never_made_whole_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db.part").write_text("half a file")
    store, _ = start(tmp_path)
    store.send(lines(1))
    assert history(store, "lr") == [1]


# ------------------------------------------------------------------------------------------------------------- a server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """The address of a tracking server, and what kills it."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{tmp_path}/server.db",
        "--artifacts-destination",
        str(tmp_path / "a"),
    ]
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def kill() -> None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)

    address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{address}/health", timeout=5).close()
            break
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    yield address, kill
    if process.poll() is None:
        kill()


class AtTheEndOfEpoch(pl.Callback):
    """Does something after the first epoch."""

    def __init__(self, what: Callable[[], None]) -> None:
        self.what = what

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch == 1:
            self.what()


@pytest.mark.slow
def test_a_server_that_goes_away_does_not_take_the_training_with_it(
    server: tuple[str, Callable[[], None]],
    make_config: Callable[..., TrainConfig],
    rows: list[dict[str, Any]],
    tmp_path: Path,
) -> None:
    address, kill = server
    seen: dict[str, int] = {}

    def look_and_kill() -> None:
        from mlflow import MlflowClient

        client = MlflowClient(address)
        (run,) = client.search_runs([str(client.get_experiment_by_name("mine").experiment_id)])  # type: ignore[union-attr]
        seen["steps"] = len(client.get_metric_history(run.info.run_id, "train.loss"))
        kill()

    run = tmp_path / "run"
    config = make_config(
        "logger=mlflow", f"logger.uri={address}", "logger.experiment=mine", f"run.dir={run}", "trainer.max_epochs=4"
    )
    started = time.monotonic()
    fit(config, rows, callbacks=[AtTheEndOfEpoch(look_and_kill)])
    assert time.monotonic() - started < 60
    assert (run / "metrics.json").is_file()
    assert seen["steps"] > 0
    said = [line for line in (run / "run.log").read_text().splitlines() if "logger=mlflow" in line]
    assert "has failed, and training goes on: Connection refused." in said[0]
    assert "lines were not taken; metrics.jsonl has all of them" in said[1]
    assert len(said) == 2
