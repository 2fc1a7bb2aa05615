"""One small finished run, shared by the tests that look at runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.resources import files
from pathlib import Path

import pytest

from tagnet.bundle import Bundle, load_network, read_bundle
from tagnet.calibration.rule import DecisionRule
from tagnet.cli import main as cli
from tagnet.cli.compose import train_config
from tagnet.export.onnx import write_onnx
from tagnet.training.fit import Run, fit

SMALL = (
    "encoder=tiny",
    "trainer=cpu",
    "trainer.max_epochs=2",
    "trainer.batch_size=32",
    "labels.min_count=20",
    "evaluation.bootstrap_samples=50",
    "evaluation.baselines=[prior,rules,tfidf_logreg,tfidf_svm]",
)


@pytest.fixture(scope="session")
def small() -> tuple[str, ...]:
    """Settings of a run of a few seconds."""
    return SMALL


@pytest.fixture(scope="session")
def small_records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The newest 300 records of the embedded corpus, as a file."""
    rows = json.loads((files("tagnet.corpus") / "projects.json").read_text(encoding="utf-8"))[-300:]
    path = tmp_path_factory.mktemp("records") / "records.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def small_run(small_records: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run on `small_records`."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    return fit(train_config(*SMALL, f"data.records={small_records}", f"run.dir={folder}"))


@pytest.fixture
def tagnet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process: exit code, standard output, standard error."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["tagnet", *words])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def exports(small_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export `one`, and `two`: the same network, its probabilities moved."""
    home = tmp_path_factory.mktemp("exports")
    bundle = read_bundle(small_run.dir / "bundle")
    for name, shift in (("one", 0.0), ("two", 2.0)):
        (home / name).mkdir()
        rule = DecisionRule(
            bundle.rule.tags, bundle.rule.scale, bundle.rule.offsets_K + shift, bundle.rule.thresholds_K, "x", "y"
        )
        moved = Bundle(**{**vars(bundle), "rule": rule, "fingerprint": f"{name}-{bundle.fingerprint}"})
        write_onnx(moved, load_network(bundle), home / name)
    return home


@pytest.fixture
def serving(repository: Path, tmp_path: Path) -> Callable[..., AbstractContextManager[str]]:
    """`tagnet serve FOLDER WORDS…` as a process, with variables to choose: its address, until it is stopped."""

    @contextmanager
    def run(folder: Path, *words: str, **environment: str) -> Iterator[str]:
        log = tmp_path / f"served-{len(list(tmp_path.glob('served-*')))}.txt"
        command = [sys.executable, "-m", "tagnet.cli.main", "serve", str(folder), "--port", "0", "--threads", "1"]
        with log.open("w") as stream:
            process = subprocess.Popen(
                [*command, *words],
                stdout=stream,
                stderr=stream,
                env={**os.environ, "PYTHONPATH": str(repository / "src"), **environment},
            )
        try:
            while "/ (Ctrl-C" not in log.read_text() and process.poll() is None:
                time.sleep(0.05)
            assert process.poll() is None, log.read_text()
            yield f"http://127.0.0.1:{int(log.read_text().rsplit('/ (Ctrl-C', 1)[0].rsplit(':', 1)[1])}"
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0
        assert "Traceback" not in log.read_text()

    return run
