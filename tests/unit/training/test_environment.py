"""What a run writes down of the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pytest
import torch

from tagnet.training import environment as environment_file
from tagnet.training.environment import environment


def test_versions_hardware_and_seed_are_plain_text() -> None:
    found = environment(7)
    assert all(isinstance(value, str) and value for value in found.values())
    assert found["seed"] == "7"
    assert found["python"] == platform.python_version()
    assert found["numpy"] == np.__version__
    assert found["torch"] == version("torch")
    assert f"{os.cpu_count()} cores" in found["cpu"]
    assert (found["gpu"] == "none") is not torch.cuda.is_available()


def test_it_names_the_commit_of_a_checkout_and_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_TOKEN", "hunter2-hunter2")
    found = environment(0)
    assert "hunter2" not in str(found)
    try:
        expected = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        expected = "none"
    assert found["commit"].removesuffix("-dirty") == expected.strip()


@pytest.mark.parametrize("error", [FileNotFoundError(), subprocess.CalledProcessError(128, "git")])
def test_without_git_there_is_no_commit(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(subprocess, "run", run)
    assert environment(0)["commit"] == "none"


def test_a_wheel_asks_nobody_for_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment_file, "__file__", "/usr/lib/python3/site-packages/tagnet/training/environment.py")
    assert environment(0)["commit"] == "none"


def test_a_package_that_is_not_there_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(environment_file, "version", nowhere)
    assert environment(0)["numpy"] == "not installed"
