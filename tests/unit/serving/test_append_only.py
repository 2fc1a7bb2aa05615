"""A file that only grows, by whole lines."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from tagnet.errors import RunDirectoryError
from tagnet.serving.append_only import AppendOnlyFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "answers.jsonl"


def opened(path: Path) -> AppendOnlyFile:
    file = AppendOnlyFile(path, "--annotations")
    file.open()
    return file


def test_lines_are_whole_whoever_writes_them(path: Path) -> None:
    file = opened(path)
    threads = [threading.Thread(target=lambda: [file.append({"text": "é" * 999}) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file.close()
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len({row["id"] for row in rows}) == 80


def test_only_its_owner_reads_it(path: Path) -> None:
    opened(path).close()
    assert path.stat().st_mode & 0o077 == 0


def test_what_was_there_stays(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"id": "old"}\n')
    file = opened(path)
    file.append({})
    file.close()
    assert json.loads(path.read_text().splitlines()[0])["id"] == "old"


def test_a_torn_line_goes(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.write_text('{"id": "old"}\n{"id": "to')
    file = opened(path)
    file.append({})
    file.close()
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 2
    assert "is torn" in caplog.text


def test_a_last_line_without_its_end_is_ended(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"id": "old"}')
    file = opened(path)
    file.append({})
    file.close()
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 2


def test_a_torn_line_goes_however_long_it_is(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"id": "old"}\n{"id": "' + "x" * 5_000_000)
    opened(path).close()
    assert path.read_text() == '{"id": "old"}\n'


def test_a_new_file_is_on_disk_with_its_folder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(
        "tagnet.serving.append_only.os.fsync",
        lambda handle: synced.append(str(Path(f"/proc/self/fd/{handle}").readlink())),
    )
    opened(path).close()
    assert str(path.parent) in synced


def test_one_server_a_file(path: Path) -> None:
    file = opened(path)
    with pytest.raises(RunDirectoryError, match="another server writes to it"):
        opened(path)
    file.close()
    opened(path).close()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match=r"--annotations .* cannot be written"):
        opened(tmp_path)


def test_half_a_line_is_taken_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = opened(path)
    file.append({"n": 1})
    before = path.read_bytes()
    real = os.write
    monkeypatch.setattr("tagnet.serving.append_only.os.write", lambda handle, content: real(handle, content[:7]))
    with pytest.raises(OSError, match="No space left"):
        file.append({"n": 2})
    file.close()
    assert path.read_bytes() == before
