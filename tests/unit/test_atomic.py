"""Whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tagnet.atomic import write_json, write_text, write_with
from tagnet.errors import RunDirectoryError


@pytest.fixture
def umask() -> Iterator[int]:
    before = os.umask(0o027)
    yield 0o027
    os.umask(before)


def full_disk(path: Path) -> None:
    path.write_text("half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_folders_above_are_made_and_text_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "größe.txt"
    write_text(path, "Ünïcode 🎉\n")
    assert path.read_text(encoding="utf-8") == "Ünïcode 🎉\n"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    write_json(path, {"ü": [1.5, None]})
    assert json.loads(path.read_text(encoding="utf-8")) == {"ü": [1.5, None]}
    assert "ü" in path.read_text(encoding="utf-8")


def test_the_umask_decides_who_may_read(tmp_path: Path, umask: int) -> None:
    def write_privately(path: Path) -> None:
        path.unlink()
        path.touch(mode=0o600)

    write_text(tmp_path / "text", "")
    write_with(tmp_path / "replaced", write_privately)
    for name in ("text", "replaced"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~umask


def test_a_full_disk_is_one_clear_error_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_text(path, "old")
    with pytest.raises(
        RunDirectoryError, match=r"metrics\.json: cannot be written \(No space left on device\)"
    ) as caught:
        write_with(path, full_disk)
    assert len(str(caught.value).splitlines()) <= 3
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_while_syncing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sync(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(RunDirectoryError, match="No space left"):
        write_text(tmp_path / "a", "text")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError])
def test_an_interruption_passes_and_leaves_nothing(tmp_path: Path, interruption: type[BaseException]) -> None:
    def write(path: Path) -> None:
        path.write_text("half")
        raise interruption

    with pytest.raises(interruption):
        write_with(tmp_path / "a", write)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunDirectoryError, match="cannot be written"):
        write_text(tmp_path / "file" / "a.txt", "")


def test_a_folder_in_its_place_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(RunDirectoryError, match="cannot be written"):
        write_text(tmp_path / "a", "")
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_one_clear_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RunDirectoryError, match="Permission denied"):
            write_text(tmp_path / "a", "")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_that_no_other_language_reads_is_refused(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"value": value})
    assert list(tmp_path.iterdir()) == []


def test_half_a_surrogate_pair_survives_in_json(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", ["\ud800", "é"])
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == ["\ud800", "é"]
