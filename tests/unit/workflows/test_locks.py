"""Locks: exclusive, handed down to child processes, and gone with their holder."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tagnet.errors import RunDirectoryError, SweepError
from tagnet.workflows.locks import locked, try_lock

HOLD = (
    "import fcntl, sys, time; s = open(sys.argv[1], 'w'); fcntl.flock(s, 2); print('held', flush=True); time.sleep(60)"
)


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "x.lock"
    first = try_lock(path)
    assert first is not None
    assert try_lock(path) is None
    first.close()
    second = try_lock(path)
    assert second is not None
    second.close()


def test_a_killed_holder_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    assert try_lock(path) is None
    holder.kill()
    holder.communicate()
    lock = try_lock(path)
    assert lock is not None
    lock.close()


def test_a_child_keeps_what_it_inherited(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    lock = try_lock(path)
    assert lock is not None
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=[lock.fileno()])
    lock.close()
    assert try_lock(path) is None
    child.kill()
    child.wait()
    deadline = time.monotonic() + 10
    while (again := try_lock(path)) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert again is not None
    again.close()


def test_patience_waits_for_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD.replace("60", "0.5"), str(path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    assert try_lock(path, patience=0.1) is None
    lock = try_lock(path, patience=30)
    assert lock is not None
    lock.close()
    holder.communicate()


def test_a_file_system_without_locks_is_told_from_a_lock_that_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(stream: object, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(SweepError, match="expected a file system that can lock files"):
        try_lock(tmp_path / "x.lock")
    with pytest.raises(SweepError, match="on another"), locked(tmp_path / "x.lock"):
        pass


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunDirectoryError, match="cannot be written"):
        try_lock(tmp_path / "file" / "x.lock")


def test_a_block_waits_for_its_turn(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD.replace("60", "0.5"), str(path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    with locked(path):
        assert try_lock(path) is None
        assert holder.wait(timeout=10) == 0
    holder.stdout.close()
