"""The scripts, run in a copy whose environment is a stub: nothing is installed and nothing trained."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

TAGNET = """#!/bin/sh
echo "offline=$HF_HUB_OFFLINE" "$@"
run=$(echo "$2" | sed "s/^run.dir='//; s/'$//")
mkdir -p "$run" && touch "$run/metrics.json" "$run/report.html"
"""
PYTHON = """#!/bin/sh
echo "python threads=$OMP_NUM_THREADS" "$@"
case "$*" in *"$FAILS"*) exit 1;; esac
"""


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def checkout(repository: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "my (first) checkout"
    shutil.copytree(repository / "scripts", folder / "scripts")
    shutil.copytree(repository / ".ci", folder / ".ci")
    shutil.copy(repository / "pyproject.toml", folder)
    return folder


@pytest.fixture
def installed(checkout: Path) -> Path:
    _write(checkout / "scripts" / "environment", "#!/bin/sh\n")
    _write(checkout / ".venv" / "bin" / "tagnet", TAGNET)
    _write(checkout / ".venv" / "bin" / "python", PYTHON)
    _write(checkout / ".venv" / "bin" / "lint-imports", PYTHON.replace("python", "lint-imports"))
    return checkout


def _run(folder: Path, *command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if name not in {"PYTHON", "OMP_NUM_THREADS"}}
    known |= {"FAILS": "nothing does", **environment}
    return subprocess.run(command, cwd=folder, env=known, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "name", ["scripts/environment", "scripts/quickstart", "scripts/test", "scripts/lint", ".ci/run"]
)
def test_every_script_can_be_started(repository: Path, name: str) -> None:
    assert os.access(repository / name, os.X_OK)


def test_quickstart_never_takes_a_finished_run(installed: Path, tmp_path: Path) -> None:
    quickstart = installed / "scripts" / "quickstart"
    for name in ("quickstart", "quickstart-2", "quickstart-3"):
        answer = _run(tmp_path, quickstart, "loss=asl", "run.seed=1")
        run = installed / "runs" / name
        assert answer.returncode == 0, answer.stderr
        assert f"offline=1 train run.dir='{run}' loss=asl run.seed=1" in answer.stdout
        assert str(run / "report.html") in answer.stdout
        command = shlex.split(answer.stdout.splitlines()[-1])
        assert command[:3] == [str(installed / ".venv" / "bin" / "tagnet"), "predict", str(run / "bundle")]


def test_quickstart_goes_on_with_an_interrupted_run_only_for_the_same_settings(installed: Path) -> None:
    finishes = (installed / ".venv" / "bin" / "tagnet").read_text(encoding="utf-8")
    _write(installed / ".venv" / "bin" / "tagnet", finishes.replace('touch "$run/metrics.json"', "exit 130; touch"))
    assert _run(installed, "scripts/quickstart", "loss=asl").returncode == 130
    _write(installed / ".venv" / "bin" / "tagnet", finishes)
    runs = installed / "runs"
    for settings, name in ((("loss=bce",), "quickstart-2"), (("loss=asl",), "quickstart"), ((), "quickstart-3")):
        answer = _run(installed, "scripts/quickstart", *settings)
        assert answer.returncode == 0, answer.stderr
        assert f"run.dir='{runs / name}'" in answer.stdout


def test_quickstart_fails_when_training_does(installed: Path) -> None:
    _write(installed / ".venv" / "bin" / "tagnet", "#!/bin/sh\nexit 2\n")
    answer = _run(installed, "scripts/quickstart")
    assert answer.returncode == 2
    assert "report" not in answer.stdout


def test_the_default_leaves_the_slow_tests_out(installed: Path, tmp_path: Path) -> None:
    answer = _run(tmp_path, installed / "scripts" / "test", "-k", "split")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == "python threads=1 -m pytest -n 2 --dist worksteal -m not slow -k split"


def test_ci_runs_all_but_the_long_tests(installed: Path, tmp_path: Path) -> None:
    answer = _run(tmp_path, "bash", installed / ".ci" / "run")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == "python threads=1 -m pytest -n 2 --dist worksteal -m not long"


def test_all_tests_can_be_asked_for(installed: Path, tmp_path: Path) -> None:
    answer = _run(tmp_path, installed / "scripts" / "test", "--long")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == "python threads=1 -m pytest -n 2 --dist worksteal -m "


@pytest.mark.parametrize("part", ["-m ruff check", "-m ruff format --check", "-m mypy", "-m pytest"])
def test_any_failure_fails_and_still_runs_the_rest(installed: Path, part: str) -> None:
    answer = _run(installed, "scripts/test", FAILS=part)
    assert answer.returncode == 1
    assert [line.split()[0] for line in answer.stdout.splitlines()] == ["python"] * 3 + ["lint-imports", "python"]


def test_a_broken_import_contract_fails(installed: Path) -> None:
    _write(installed / ".venv" / "bin" / "lint-imports", "#!/bin/sh\nexit 1\n")
    assert _run(installed, "scripts/lint").returncode == 1


@pytest.mark.parametrize(
    ("python", "message"),
    [
        (
            "#!/bin/sh\n[ $1 = --version ] && echo Python 3.9.2 && exit\nexit 1\n",
            "needs Python 3.11 or newer, found Python 3.9.2;",
        ),
        ("#!/bin/sh\ncase $2 in *venv*) exit 1;; esac\n", "install its venv module"),
    ],
)
def test_an_unfit_python_is_one_clear_line(checkout: Path, python: str, message: str) -> None:
    _write(checkout / "bin" / "fit-python", python)
    answer = _run(checkout, "scripts/quickstart", PYTHON="bin/fit-python")
    assert answer.returncode == 1
    assert len(answer.stderr.splitlines()) == 1
    assert message in answer.stderr
    assert not (checkout / ".venv").exists()


def test_no_python_is_one_clear_line(checkout: Path) -> None:
    answer = _run(checkout, "scripts/test", PYTHON="no-such-python")
    assert answer.returncode == 1
    assert answer.stderr.startswith("tagnet: needs Python 3.11 or newer, found no no-such-python;")
    assert len(answer.stderr.splitlines()) == 1


# -------------------------------------------------------------------------------------------------------- environment


VENV_PYTHON = """#!/bin/sh
case "$*" in *"pip install"*) echo "pip: $*" && [ "$FAILS" != pip ] && echo "$*" >>"$CALLS";; esac
"""


@pytest.fixture
def stubbed(checkout: Path) -> Path:
    _write(checkout / ".venv" / "bin" / "python", VENV_PYTHON)
    _write(checkout / ".venv" / "bin" / "tagnet", TAGNET)
    return checkout


def _installations(checkout: Path, extra: str, **environment: str) -> list[str]:
    """Run scripts/environment and return the arguments of each pip that it started."""
    calls = checkout / "calls"
    calls.write_text("", encoding="utf-8")
    answer = _run(checkout.parent, checkout / "scripts" / "environment", extra, CALLS=str(calls), **environment)
    assert answer.returncode == 0, answer.stderr
    return calls.read_text(encoding="utf-8").splitlines()


def test_an_environment_is_installed_once_from_its_lock(stubbed: Path) -> None:
    assert _installations(stubbed, "train") == ["-m pip install -c scripts/locks/train.txt -e .[train]"]
    assert _installations(stubbed, "train") == []
    assert _installations(stubbed, "dev") == ["-m pip install -c scripts/locks/dev.txt -e .[dev]"]


def test_the_largest_environment_serves_every_script(stubbed: Path) -> None:
    assert len(_installations(stubbed, "dev")) == 1
    assert _installations(stubbed, "train") == []


@pytest.mark.parametrize("changed", ["pyproject.toml", "scripts/locks/dev.txt"])
def test_a_change_of_what_is_asked_for_installs_again(stubbed: Path, changed: str) -> None:
    _installations(stubbed, "dev")
    with (stubbed / changed).open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert len(_installations(stubbed, "dev")) == 1


def test_another_package_index_can_be_named(stubbed: Path) -> None:
    (call,) = _installations(stubbed, "core", TAGNET_TORCH_INDEX="https://example.org/cpu")
    assert call == "-m pip install -c scripts/locks/core.txt -e . --extra-index-url https://example.org/cpu"


def test_a_failed_installation_is_told_and_tried_again(stubbed: Path) -> None:
    answer = _run(stubbed, "scripts/quickstart", FAILS="pip")
    assert answer.returncode == 1
    assert "the installation failed" in answer.stderr
    assert "pip: -m pip install" in answer.stderr
    assert len(_installations(stubbed, "train")) == 1
