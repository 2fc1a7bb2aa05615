"""What this machine offers, and what stubs of one that has more would say."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tagnet.strict_build import to_plain
from tagnet.training import hardware
from tagnet.training.cgroup import Limits
from tagnet.training.hardware import available_memory, find_compiler, look_at_machine, memory_limits


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Put a program of that name first on the path."""

    def put(name: str, script: str) -> Path:
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
        return path

    return put


def test_this_machine(tmp_path: Path) -> None:
    machine = look_at_machine(tmp_path / "runs" / "not-there-yet", quick=True)
    assert 0 < machine.cores <= machine.cores_of_machine
    assert 0 < machine.memory_available <= machine.memory
    assert machine.disk == str(tmp_path)
    assert machine.disk_free > 0
    assert machine.precisions["32-true"]
    assert "gloo" in machine.backends
    assert machine.compiler is None
    assert machine.packages["torch"] == torch.__version__
    assert len(machine.gpus) == torch.cuda.device_count()
    assert not (tmp_path / "runs").exists()
    json.dumps(to_plain(machine))


@pytest.mark.parametrize(("major", "works"), [(7, False), (8, True)])
def test_a_gpu_that_only_emulates_bfloat16_does_not_offer_it(
    major: int, works: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(major=major))
    monkeypatch.setattr(torch.cuda, "_check_bf16_tensor_supported", lambda device: True)
    # What trainer.precision takes, and nothing else.
    assert hardware._precisions() == {"32-true": True, "bf16-mixed": works, "16-mixed": True}


def test_a_container_has_what_its_limits_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "read_limits", lambda: Limits(3 * 2**20, 2**20, 0.5))
    assert memory_limits() == (3 * 2**20, 2**20)
    assert available_memory() == 2**20
    assert look_at_machine(tmp_path, quick=True).cores == 0.5


def test_where_the_system_does_not_say_all_memory_counts_as_available(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "_MEMORY", tmp_path / "nothing")
    monkeypatch.setattr(hardware, "read_limits", Limits)
    total, available = memory_limits()
    assert total == available == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_the_driver_says_its_version(program: Callable[[str, str], Path], tmp_path: Path) -> None:
    program("nvidia-smi", "echo 580.82.07; echo 580.82.07")
    assert look_at_machine(tmp_path, quick=True).driver == "580.82.07"


def test_a_driver_that_fails_is_none(program: Callable[[str, str], Path], tmp_path: Path) -> None:
    program("nvidia-smi", "echo 'has failed because it could not communicate with the driver'; exit 9")
    assert look_at_machine(tmp_path, quick=True).driver is None


def test_a_compiler_counts_where_it_compiles(
    program: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    working = program("works", 'while [ "$1" != -o ]; do shift; done; grep -q Python.h && touch "$2"')
    monkeypatch.setenv("CXX", "works")
    assert find_compiler() == str(working)
    program("works", "echo no Python.h >&2; exit 1")
    assert find_compiler() is None


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert find_compiler() is None
