"""The log of answers only grows, and holds each answer once."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tagnet.atomic import write_text
from tagnet.errors import LabelingError, RunDirectoryError
from tagnet.labeling.answer_log import AnswerLog, Origin, extend_log, provenance_path, read_log
from tagnet.labeling.answers import Answer, make_answer
from tagnet.labeling.resolve import votes
from tagnet.labeling.tasks import TaskBatch


@pytest.fixture
def answers(batch: TaskBatch) -> list[tuple[Answer, Origin]]:
    made = [make_answer(task.slip.project_id, task.shown, ["a"], annotator="ann") for task in batch.tasks]
    return [
        (answer, Origin(answer.key, "csv", "t.csv", "00ff", task.slip))
        for answer, task in zip(made, batch.tasks, strict=True)
    ]


def test_twice_is_once(tmp_path: Path, answers: list[tuple[Answer, Origin]]) -> None:
    path = tmp_path / "answers.jsonl"
    assert extend_log(path, answers[:2]) == 2
    before = path.read_text()
    assert extend_log(path, answers) == 1
    assert path.read_text().startswith(before)
    assert extend_log(path, answers) == 0
    log = read_log(path)
    assert log.answers == tuple(answer for answer, _ in answers)
    assert log.origins == {origin.answer: origin for _, origin in answers}


def test_a_longer_log_begins_with_the_same_fingerprint(tmp_path: Path, answers: list[tuple[Answer, Origin]]) -> None:
    path = tmp_path / "answers.jsonl"
    extend_log(path, answers[:2])
    short = read_log(path)
    extend_log(path, answers)
    long = read_log(path)
    assert short.fingerprint(2) == long.fingerprint(2) != long.fingerprint(3)


def test_no_answers_make_an_empty_log(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    assert extend_log(path, []) == 0
    assert path.read_text() == ""
    assert read_log(path) == AnswerLog((), (), {})


def test_what_is_no_log_is_left_alone(tmp_path: Path, answers: list[tuple[Answer, Origin]]) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"id": 1}\n')
    with pytest.raises(LabelingError, match="line 1"):
        extend_log(path, answers)
    assert path.read_text() == '{"id": 1}\n'
    assert not provenance_path(path).exists()


@pytest.mark.parametrize("name", ["answers.jsonl", "answers.provenance.jsonl"])
def test_a_half_written_line_is_named(tmp_path: Path, answers: list[tuple[Answer, Origin]], name: str) -> None:
    extend_log(tmp_path / "answers.jsonl", answers)
    path = tmp_path / name
    path.write_text(path.read_text()[:-30])
    with pytest.raises(LabelingError, match=f"{name}, line 3"):
        read_log(tmp_path / "answers.jsonl")


def test_edited_provenance_is_named(tmp_path: Path, answers: list[tuple[Answer, Origin]]) -> None:
    extend_log(tmp_path / "answers.jsonl", answers)
    path = provenance_path(tmp_path / "answers.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[1]["sent"]["content_hash"] = "00"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(LabelingError, match=r"line 2.*edited"):
        read_log(tmp_path / "answers.jsonl")


def test_people_come_back_to_an_earlier_answer(tmp_path: Path, batch: TaskBatch) -> None:
    path, slip = tmp_path / "answers.jsonl", batch.tasks[0].slip

    def say(*chosen: str, at: str | None = None, content_hash: str = slip.content_hash) -> int:
        answer = make_answer(1, ["a", "b"], chosen, at=at)
        return extend_log(
            path, [(answer, Origin(answer.key, "doccano", "x", None, replace(slip, content_hash=content_hash)))]
        )

    assert [say("a"), say("a"), say("b"), say("b"), say("a"), say("a")] == [1, 0, 1, 0, 1, 0]
    assert votes(read_log(path).answers)[-1].tags == ("a",)
    # With a time an answer is known wherever it stands.
    assert [say("a", at="2026-11-02"), say("b"), say("a", at="2026-11-02")] == [1, 1, 0]
    # The same answer to a text that was changed and sent again is another one.
    assert [say("b", content_hash="other"), say("b", content_hash="other")] == [1, 0]
    log = read_log(path)
    assert log.origins[log.answers[-1].key].slip.content_hash == "other"


def test_several_answers_without_a_name_are_read_once(tmp_path: Path, batch: TaskBatch) -> None:
    path, slip = tmp_path / "answers.jsonl", batch.tasks[0].slip
    answers = [make_answer(1, ["a", "b"], chosen) for chosen in (["a"], ["b"], ["b"], ["a"])]
    pairs = [(answer, Origin(answer.key, "doccano", "x", None, slip)) for answer in answers]
    assert [extend_log(path, pairs), extend_log(path, pairs), extend_log(path, pairs[:2])] == [3, 0, 1]


def test_a_log_without_its_provenance_knows_its_answers(tmp_path: Path, answers: list[tuple[Answer, Origin]]) -> None:
    path = tmp_path / "answers.jsonl"
    extend_log(path, answers)
    provenance_path(path).unlink()
    assert extend_log(path, answers) == 0


def test_two_that_write_at_a_time_lose_nothing(
    tmp_path: Path, answers: list[tuple[Answer, Origin]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "answers.jsonl"
    other = threading.Thread(target=extend_log, args=(path, answers[1:]))

    def write(target: Path, text: str) -> None:
        if threading.current_thread() is not other and target == path:
            # By now the first has read the log, and not yet written it.
            other.start()
            other.join(0.5)
        write_text(target, text)

    monkeypatch.setattr("tagnet.labeling.answer_log.write_text", write)
    extend_log(path, answers[:1])
    other.join()
    log = read_log(path)
    assert set(log.answers) == {answer for answer, _ in answers}
    assert len(log.origins) == len(answers)


def test_a_full_disk_loses_nothing(
    tmp_path: Path, answers: list[tuple[Answer, Origin]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "answers.jsonl"
    extend_log(path, answers[:1])
    before = path.read_bytes()

    def write(target: Path, text: str) -> None:
        if target == path:
            raise RunDirectoryError(f"{target}: cannot be written")
        write_text(target, text)

    monkeypatch.setattr("tagnet.labeling.answer_log.write_text", write)
    with pytest.raises(RunDirectoryError):
        extend_log(path, answers)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert read_log(path).answers == (answers[0][0],)
    assert extend_log(path, answers) == 2
    assert set(read_log(path).origins) == {answer.key for answer, _ in answers}
