"""The log of answers only grows, and holds each answer once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tagnet.errors import LabelingError
from tagnet.labeling.answer_log import AnswerLog, Origin, extend_log, provenance_path, read_log
from tagnet.labeling.answers import Answer, make_answer
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
