"""What holds for every logger: a run that was stopped twice is found again by the tool itself, each step once."""

from __future__ import annotations

import csv
import json
import os
import signal
import struct
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import pytest

from tagnet.cli.compose import train_config
from tagnet.config import LoggerConfig, NoLoggerConfig
from tagnet.strict_build import to_plain
from tagnet.training.callbacks import MetricsLog
from tagnet.training.fit import fit
from tagnet.training.module import TaggerModule
from tagnet.training.run_directory import flatten

SETTINGS = (
    "encoder=tiny",
    "trainer=cpu",
    "trainer.max_epochs=3",
    "trainer.batch_size=32",
    "trainer.checkpoint_steps=2",
    "labels.min_count=20",
    "evaluation.bootstrap_samples=50",
    "evaluation.baselines=[]",
)
RUN_NAME = "tried out"


@dataclass(frozen=True)
class Kept:
    """What a tool says of a run."""

    settings: Mapping[str, Any]
    curves: Mapping[str, Sequence[tuple[int, float]]]
    """Name → (step, value), as often as the tool has it."""
    final: Mapping[str, float]
    tags: Sequence[str]
    """The rows of its table of tags."""
    report: str


# ------------------------------------------------------------------------------------------------------ reading it back


def read_tensorboard(folder: Path) -> Kept:
    with warnings.catch_warnings():
        # TensorBoard's reader takes numbers from bytes in a way that NumPy has renamed.
        warnings.simplefilter("ignore", DeprecationWarning)
        from tensorboard.backend.event_processing import event_accumulator  # type: ignore[import-untyped]

        reader: Any = event_accumulator.EventAccumulator(
            str(folder / "tensorboard"), size_guidance={"scalars": 0, "tensors": 0}
        )
        reader.Reload()
    curves = {tag: [(e.step, e.value) for e in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}
    final = {name: values[0][1] for name, values in curves.items() if name.startswith("final.")}
    assert all(len(curves.pop(name)) == 1 for name in final)

    def text(name: str) -> str:
        (event,) = reader.Tensors(f"{name}/text_summary")
        return str(event.tensor_proto.string_val[0].decode())

    return Kept(
        settings=json.loads(text("settings")),
        curves=curves,
        final=final,
        tags=[row.split("|")[1].strip() for row in text("tags").splitlines()[2:]],
        report=text("report").strip(),
    )


def read_mlflow(folder: Path) -> Kept:
    with warnings.catch_warnings():
        # MLflow's own tables use an option of SQLAlchemy that is on its way out.
        warnings.simplefilter("ignore", DeprecationWarning)
        from mlflow import MlflowClient

        client = MlflowClient(f"sqlite:///{folder}/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("tagnet")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.info.run_name == f"{RUN_NAME} {folder.name}"
    curves = {
        name: sorted((metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, name))
        for name in run.data.metrics
    }
    final = {name: values[0][1] for name, values in curves.items() if name.startswith("final.")}
    assert all(len(curves.pop(name)) == 1 for name in final)
    (path,) = (folder / "mlflow" / "artifacts").glob("*/artifacts/tags.csv")
    return Kept(
        settings=run.data.params,
        curves=curves,
        final=final,
        tags=[row["tag"] for row in csv.DictReader(path.read_text().splitlines())],
        report=run.data.tags["report"],
    )


def read_wandb(folder: Path) -> Kept:
    # Offline runs have no reader in Python: a log in LevelDB's format, in blocks of 32 KiB, holds wandb's own messages.
    from wandb.proto import wandb_internal_pb2

    def messages(data: bytes) -> Iterator[Any]:
        position, whole = 7, b""
        while position + 7 <= len(data):
            left_in_block = 32768 - position % 32768
            if left_in_block < 7:
                position += left_in_block
                continue
            _, length, kind = struct.unpack_from("<IHB", data, position)
            if kind == 0:
                break
            whole += data[position + 7 : position + 7 + length]
            position += 7 + length
            if kind in (1, 4):  # whole, or the last piece
                message: Any = wandb_internal_pb2.Record()  # type: ignore[attr-defined,unused-ignore]
                message.ParseFromString(whole)
                whole = b""
                yield message

    (path,) = (folder / "wandb").glob("offline-run-*/*.wandb")
    settings: dict[str, Any] = {}
    final: dict[str, Any] = {}
    curves: dict[str, list[tuple[int, float]]] = {}
    for message in messages(path.read_bytes()):
        for item in message.run.config.update:
            settings[item.key] = json.loads(item.value_json)
        for item in message.summary.update:
            final[item.key or ".".join(item.nested_key)] = json.loads(item.value_json)
        row = {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in message.history.item}
        for name, value in row.items():
            if not name.startswith(("_", "tags.")):
                curves.setdefault(name, []).append((row["_step"], value))
    settings.pop("_wandb")
    assert list((folder / "wandb").glob("offline-run-*")) == [path.parent]
    (table,) = path.parent.glob("files/media/table/tags_*.json")
    return Kept(
        settings=settings,
        curves=curves,
        final={name: value for name, value in final.items() if name.startswith("final.") and name != "final.step"},
        tags=[row[0] for row in json.loads(table.read_text())["data"]],
        report=final["report"],
    )


def read_trackio(folder: Path) -> Kept:
    # trackio's reading API takes its folder from the environment when it is imported, so that it gets a process.
    script = """
import json, trackio
(run,) = trackio.Api().runs("tagnet")
logs = trackio.SQLiteStorage.get_logs("tagnet", run.name, run_id=run.id)
print(json.dumps({"name": run.name, "config": run.config, "logs": logs}, default=str))
"""
    environment = os.environ | {"TRACKIO_DIR": str(folder / "trackio")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["name"] == f"{RUN_NAME} {folder.name}"
    curves: dict[str, list[tuple[int, float]]] = {}
    final: dict[str, float] = {}
    tags: list[str] = []
    for row in found["logs"]:
        for name, value in row.items():
            if name == "tags":
                tags = [entry["tag"] for entry in value["_value"]]
            elif name.startswith("final."):
                assert name not in final
                final[name] = value
            elif name not in ("step", "timestamp"):
                curves.setdefault(name, []).append((row["step"], value))
    return Kept(found["config"], curves, final, tags, found["config"].pop("report"))


READERS: dict[str, Callable[[Path], Kept]] = {
    "tensorboard": read_tensorboard,
    "mlflow": read_mlflow,
    "wandb": read_wandb,
    "trackio": read_trackio,
}


def test_no_logger_is_left_out() -> None:
    names = [get_args(cls.__annotations__["name"]) or cls.__annotations__["name"] for cls in get_args(LoggerConfig)]
    assert len(names) == len(READERS) + 1
    assert NoLoggerConfig in get_args(LoggerConfig)
    assert all(any(tool in str(name) for name in names) for tool in READERS)


# ----------------------------------------------------------------------------------------------------------------- runs


class PowerCutError(Exception):
    """What befalls a run here."""


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The newest 300 records of the embedded corpus."""
    rows = json.loads((files("tagnet.corpus") / "projects.json").read_text(encoding="utf-8"))[-300:]
    path = tmp_path_factory.mktemp("records") / "records.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def settings_of(tool: str, records: Path, folder: Path) -> list[str]:
    return [*SETTINGS, f"run.name={RUN_NAME}", f"data.records={records}", f"logger={tool}", f"run.dir={folder}"]


def fail_at(patch: pytest.MonkeyPatch, owner: Any, name: str, call: int) -> None:
    """Let the n-th call of a function raise after it has done what it does."""
    real, calls = getattr(owner, name), 0

    def failing(*words: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        result = real(*words, **named)
        if calls == call:
            raise PowerCutError
        return result

    patch.setattr(owner, name, failing)


@pytest.fixture(scope="module", params=list(READERS))
def continued(request: pytest.FixtureRequest, records: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run that was stopped between two resume points, and when the tool knew of steps that are then repeated."""
    tool = request.param
    folder = tmp_path_factory.mktemp("runs") / tool
    config = train_config(*settings_of(tool, records, folder))
    with pytest.MonkeyPatch.context() as outside:
        outside.delenv("TRACKIO_DIR", raising=False)
        for place in ((TaggerModule, "training_step", 10), (MetricsLog, "on_validation_end", 2)):
            with pytest.MonkeyPatch.context() as patch:
                fail_at(patch, *place)
                with pytest.raises(PowerCutError):
                    fit(config)
        run = fit(config)
    return config, run, READERS[tool](folder)


def test_settings_data_and_environment_are_kept(continued: Any) -> None:
    config, run, kept = continued
    settings = {key: str(value) for key, value in kept.settings.items()}

    def written(value: Any) -> set[str]:
        return {str(value), json.dumps(value)}

    for key, value in flatten(to_plain(config)).items():
        assert settings[key] in written(value), key
    data = json.loads((run.dir / "data.json").read_text())
    for name, digest in data["fingerprints"].items():
        assert settings[f"fingerprint.{name.replace(' ', '_')}"] == digest
    for name, value in json.loads((run.dir / "environment.json").read_text()).items():
        assert settings[f"environment.{name}"] == value
    split = json.loads((run.dir / "split.json").read_text())
    assert settings["num_records.train"] == str(len(split["train"]))
    assert settings["num_tags"] == str(len(run.outcome.rule.tags))


def test_every_step_is_kept_once_with_its_value(continued: Any) -> None:
    _, run, kept = continued
    expected: dict[str, list[tuple[int, float]]] = {}
    for line in map(json.loads, (run.dir / "metrics.jsonl").read_text().splitlines()):
        for name, value in line.items():
            if name != "step" and not (name == "epoch" and "val.map" in line):
                expected.setdefault(name, []).append((line["step"], value))
    assert len(expected["train.loss"]) == 18
    assert len(expected["val.map"]) == 3
    assert set(kept.curves) == set(expected)
    for name, points in expected.items():
        assert [step for step, _ in kept.curves[name]] == [step for step, _ in points], name
        # TensorBoard keeps 32 bits.
        assert [v for _, v in kept.curves[name]] == pytest.approx([v for _, v in points], rel=1e-6), name


def test_the_results_are_those_of_metrics_json(continued: Any) -> None:
    _, run, kept = continued
    metrics = json.loads((run.dir / "metrics.json").read_text())
    expected = {f"final.{side}.{name}": v["value"] for side in ("val", "test") for name, v in metrics[side].items()}
    assert kept.final == pytest.approx(expected, rel=1e-6)
    assert list(kept.tags) == [row.tag for row in run.outcome.rows]
    assert kept.report == str((run.dir / "report.html").resolve())


def test_the_tool_says_nothing(continued: Any) -> None:
    _, run, _ = continued
    log = (run.dir / "run.log").read_text()
    assert "logger=" not in log
    assert "WARNING" not in log


# --------------------------------------------------------------------------------------------------------------- killed


def start(arguments: Sequence[str]) -> subprocess.Popen[str]:
    """Start the command in a group of its own, so that a kill takes all its processes."""
    command = [sys.executable, "-m", "tagnet.cli.main", "train", *arguments]
    environment = {k: v for k, v in os.environ.items() if k != "TRACKIO_DIR"} | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )


def kill_at(step: int, folder: Path, arguments: Sequence[str]) -> None:
    """Start the command, and kill it when its newest resume point is of this step or a later one."""
    process = start(arguments)
    newest, deadline = 0, time.monotonic() + 200
    while newest < step and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
        newest = max((int(path.name.split("-")[1]) for path in folder.glob("checkpoints/resume-*.ckpt")), default=0)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, said
    assert newest >= step
    assert not (folder / "metrics.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("tool", READERS)
def test_a_killed_run_leaves_no_step_twice_and_loses_none(tool: str, records: Path, tmp_path: Path) -> None:
    arguments = [*settings_of(tool, records, tmp_path / "run"), "trainer.max_epochs=8"]
    for step in (4, 20):
        kill_at(step, tmp_path / "run", arguments)
    process = start(arguments)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "continuing from step" in said
    curves = READERS[tool](tmp_path / "run").curves
    assert [step for step, _ in curves["train.loss"]] == list(range(1, 49))
    assert [step for step, _ in curves["val.map"]] == list(range(6, 49, 6))


# -------------------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("tool", "setting", "value"),
    [
        ("mlflow", "logger.experiment", ""),
        ("mlflow", "logger.experiment", "x" * 501),
        ("wandb", "logger.project", "team/tags"),
        ("trackio", "logger.project", "my_artifacts"),
    ],
    ids=["empty", "long", "wandb", "trackio"],
)
def test_a_name_that_the_tool_refuses_leaves_no_folder_behind(
    tool: str, setting: str, value: str, records: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    process = start([*settings_of(tool, records, folder), f"{setting}='{value}'"])
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2, said
    assert said.startswith(f"error: {setting}={value!r}: expected {tool} to take the run, found: ")
    assert "Traceback" not in said
    # With another name, the same command must not find an unfinished run of other settings.
    assert not list(tmp_path.iterdir())
