"""An output that is whole or goes on: stopped anywhere, it ends as if it had not been stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tagnet.errors import MissingExtraError, RecordError, RunDirectoryError
from tagnet.prediction.stream import blocks_of, predict_block, write_resumably
from tagnet.prediction.tag_prediction import TagPrediction
from tagnet.records.record import Record


class Killed(BaseException):
    """What no `except Exception` catches, as a signal."""


def lines_from(total: int, size: int, *, killed_at: int | None = None) -> Any:
    def lines(done: int) -> Iterator[tuple[int, bytes]]:
        for start in range(done, total, size):
            count = min(size, total - start)
            yield count, "".join(f"é{n}\n" for n in range(start, start + count)).encode()
            if killed_at is not None and start + count >= killed_at:
                raise Killed

    return lines


@given(st.integers(0, 40), st.integers(1, 9), st.lists(st.integers(0, 40), max_size=4), st.booleans())
def test_killed_anywhere_the_output_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, total: int, size: int, kills: list[int], torn: bool
) -> None:
    folder = tmp_path_factory.mktemp("out")
    path = folder / "out.jsonl"
    for kill in kills:
        try:
            write_resumably(path, {"s": 1}, total, lines_from(total, size, killed_at=kill))
            path.unlink()
        except Killed:
            assert not path.exists()
            if torn:
                with (folder / ".out.jsonl.part").open("ab") as part:
                    part.write(b"half a li")
                (folder / ".out.jsonl.progress.next").write_text('{"sett')
    seen: list[int] = []
    write_resumably(path, {"s": 1}, total, lines_from(total, size), progress=seen.append)
    assert path.read_text() == "".join(f"é{n}\n" for n in range(total))
    assert [each.name for each in folder.iterdir()] == ["out.jsonl"]
    assert seen == sorted(seen)
    assert seen[-1] == total


def stopped(path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(Killed):
        write_resumably(path, settings, 10, lines_from(10, 2, killed_at=6))


def test_an_earlier_run_counts_only_with_the_same_settings(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    stopped(path, {"top": 1})
    assert write_resumably(path, {"top": 2}, 10, lines_from(10, 2)) == 0
    stopped(path, {"top": 1})
    assert write_resumably(path, {"top": 1}, 10, lines_from(10, 2)) == 6


def test_progress_that_cannot_be_read_counts_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    stopped(path, {})
    (tmp_path / ".out.jsonl.progress.json").write_text('{"settings": {}}')
    assert write_resumably(path, {}, 10, lines_from(10, 2)) == 0


def test_a_part_that_has_lost_its_end_counts_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    stopped(path, {})
    (tmp_path / ".out.jsonl.part").write_bytes(b"")
    assert write_resumably(path, {}, 10, lines_from(10, 2)) == 0
    assert len(path.read_text().splitlines()) == 10


def test_one_process_an_output(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"

    def while_it_is_written(done: int) -> Iterator[tuple[int, bytes]]:
        with pytest.raises(RunDirectoryError, match="another process is writing it"):
            write_resumably(path, {}, 10, lines_from(10, 2))
        yield from lines_from(10, 2)(done)

    write_resumably(path, {}, 10, while_it_is_written)
    assert len(path.read_text().splitlines()) == 10


def test_a_part_that_was_finished_meanwhile_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.jsonl"

    def finish_first(stream: Any, how: int) -> None:
        stream.write(b"whole\n")
        stream.flush()
        (tmp_path / ".out.jsonl.part").replace(path)

    monkeypatch.setattr("tagnet.prediction.stream.fcntl.flock", finish_first)
    with pytest.raises(RunDirectoryError, match="another process is writing it"):
        write_resumably(path, {}, 10, lines_from(10, 2))
    assert path.read_text() == "whole\n"


def failing(error: Exception, after: int = 4) -> Any:
    def lines(done: int) -> Iterator[tuple[int, bytes]]:
        if after:
            yield after, b"a\n" * after
        raise error

    return lines


@pytest.mark.parametrize("error", [ConnectionError("a node went away"), MissingExtraError("no ray")])
def test_what_fails_elsewhere_is_no_fault_of_the_output_and_goes_on(tmp_path: Path, error: Exception) -> None:
    path = tmp_path / "out.jsonl"
    with pytest.raises(type(error), match=str(error)):
        write_resumably(path, {}, 10, failing(error))
    assert write_resumably(path, {}, 10, lines_from(10, 2)) == 4


def test_what_fails_before_a_line_is_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError):
        write_resumably(tmp_path / "out.jsonl", {}, 10, failing(MissingExtraError("no ray"), after=0))
    assert list(tmp_path.iterdir()) == []


def test_records_that_cannot_be_used_leave_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(RecordError):
        write_resumably(tmp_path / "out.jsonl", {}, 10, failing(RecordError("row 5")))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tagnet.prediction.stream.os.fsync", full)
    with pytest.raises(RunDirectoryError, match="No space left on device"):
        write_resumably(tmp_path / "out.jsonl", {}, 10, lines_from(10, 2))
    assert list(tmp_path.iterdir()) == []


def test_fewer_records_than_there_were(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with pytest.raises(RecordError, match="expected 11 records, found 10"):
        write_resumably(path, {}, 11, lines_from(10, 2))
    assert list(tmp_path.iterdir()) == []


def test_blocks() -> None:
    records = [Record(n, {"title": str(n)}, (), None) for n in range(7)]
    assert [[identity for identity, _ in block] for block in blocks_of(records, 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [[identity for identity, _ in block] for block in blocks_of(records, 3, skip=6)] == [[6]]
    assert list(blocks_of(records, 3, skip=7)) == []


class Even:
    """Knows one tag, of which it is as sure as the title is long."""

    def probabilities(self, inputs: Sequence[Any], *, batch_size: int = 64) -> NDArray[np.float64]:
        return np.array([[len(each["title"]) / 8] for each in inputs])

    def to_predictions(self, probs_NK: NDArray[np.float64], top: int | None = None) -> list[list[TagPrediction]]:
        return [[TagPrediction("a", float(p), 0.5, bool(p >= 0.5))][:top] for (p,) in probs_NK]


def test_lines_of_a_block() -> None:
    count, lines = predict_block(Even(), [("é", {"title": "abcd"}), (2, {"title": ""})], None, 8)
    assert count == 2
    assert lines.decode() == (
        '{"id": "é", "tags": [{"tag": "a", "probability": 0.5, "threshold": 0.5, "accepted": true}]}\n'
        '{"id": 2, "tags": [{"tag": "a", "probability": 0.0, "threshold": 0.5, "accepted": false}]}\n'
    )
