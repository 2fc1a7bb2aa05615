"""Versions: new files with their provenance, never overwritten, and built again from the log."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tagnet.errors import LabelingError
from tagnet.labeling.answer_log import Origin, extend_log, read_log
from tagnet.labeling.answers import Answer, make_answer
from tagnet.labeling.labelled_rows import read_labelled_rows
from tagnet.labeling.merge import merge
from tagnet.labeling.rebuild import rebuild
from tagnet.labeling.tasks import TaskBatch, make_batch
from tagnet.labeling.version import read_steps, version_path, write_version
from tagnet.records.taxonomy import Taxonomy

FEATURES = ("title", "description")


def log_answers(log: Path, batch: TaskBatch, *answers: Answer) -> None:
    slips = {str(task.slip.project_id): task.slip for task in batch.tasks}
    extend_log(log, [(each, Origin(each.key, "csv", "t.csv", "00", slips[str(each.project_id)])) for each in answers])


def merge_files(records: Path, log: Path, output: Path, taxonomy: Taxonomy | None = None) -> str:
    rows, read = read_labelled_rows(str(records), {}), read_log(log)
    merged = merge(rows, read.answers, read.origins, taxonomy=taxonomy)
    return write_version(output, rows, read, merged, rule="latest", taxonomy=taxonomy, log_name=log.name)


@pytest.fixture
def two_versions(tmp_path: Path, records_file: Path, batch: TaskBatch, taxonomy: Taxonomy) -> tuple[Path, Path, Path]:
    """The log, and two versions: one from the records, one from the first by a longer log and a taxonomy."""
    log, first, second = (tmp_path / name for name in ("answers.jsonl", "v1.json", "v2.jsonl"))
    log_answers(log, batch, make_answer(1, ["a", "b"], ["b", "c"], annotator="ann", at="2026-11-01", comment="so"))
    merge_files(records_file, log, first)
    rows = read_labelled_rows(str(first), {})
    later = make_batch(rows.records(FEATURES), FEATURES)
    log_answers(log, later, make_answer(1, ["b", "c"], ["c", "aleph"], annotator="bob", at="2026-11-02"))
    merge_files(first, log, second, taxonomy)
    return log, first, second


def test_the_provenance_says_who_when_from_where_and_what_was_shown(two_versions: tuple[Path, Path, Path]) -> None:
    _, first, second = two_versions
    plain = json.loads(version_path(first).read_text())
    assert plain["fingerprint"] == hashlib.sha256(first.read_bytes()).hexdigest()
    (change,) = plain["changes"]
    assert (change["before"], change["after"], change["added"], change["removed"]) == (
        ["a", "b"],
        ["b", "c"],
        ["c"],
        ["a"],
    )
    (why,) = change["answers"]
    assert (why["annotator"], why["at"], why["tool"], why["file_sha256"], why["comment"]) == (
        "ann",
        "2026-11-01",
        "csv",
        "00",
        "so",
    )
    assert [each["tag"] for each in why["shown"]] == ["a", "b"]
    assert json.loads(second.read_text().splitlines()[0])["tags"] == ["c", "a", "top"]


def test_steps_go_back_to_the_first_records(two_versions: tuple[Path, Path, Path], records_file: Path) -> None:
    _, first, second = two_versions
    one, two = read_steps(version_path(second))
    assert one.records == hashlib.sha256(records_file.read_bytes()).hexdigest()
    assert one.result == two.records == hashlib.sha256(first.read_bytes()).hexdigest()
    assert (one.num_answers, two.num_answers) == (1, 2)


def test_any_version_is_built_again(two_versions: tuple[Path, Path, Path], records_file: Path, tmp_path: Path) -> None:
    log, first, second = two_versions
    before = {path.name: path.read_bytes() for path in (first, second)}
    steps = {path.name: read_steps(version_path(path)) for path in (first, second)}
    kept = second.rename(tmp_path / "kept.jsonl")
    assert kept.exists()
    first.unlink()
    for name in before:
        rebuild(steps[name], str(records_file), [read_log(log)], tmp_path / f"again-{name}")
        assert (tmp_path / f"again-{name}").read_bytes() == before[name]
    rebuild(steps["v2.jsonl"], str(tmp_path / "again-v1.json"), [read_log(log)], tmp_path / "third.jsonl")
    assert (tmp_path / "third.jsonl").read_bytes() == before["v2.jsonl"]


def test_answers_that_were_held_back_stay_out(tmp_path: Path, records_file: Path, batch: TaskBatch) -> None:
    log, output = tmp_path / "answers.jsonl", tmp_path / "v1.json"
    log_answers(log, batch, make_answer(1, ["a", "b"], ["b"]))
    rows = json.loads(records_file.read_text())
    rows[0]["title"] = "Other sets"
    records_file.write_text(json.dumps(rows))
    merge_files(records_file, log, output)
    assert json.loads(output.read_text()) == rows
    rebuild(read_steps(version_path(output)), str(records_file), [read_log(log)], tmp_path / "v.json")
    assert (tmp_path / "v.json").read_bytes() == output.read_bytes()


def test_versions_are_never_overwritten(two_versions: tuple[Path, Path, Path], records_file: Path) -> None:
    log, first, _ = two_versions
    before = first.read_bytes()
    with pytest.raises(LabelingError, match="never overwritten"):
        merge_files(records_file, log, first)
    assert first.read_bytes() == before
    with pytest.raises(LabelingError, match="never overwritten"):
        merge_files(records_file, log, records_file)


def test_a_version_of_another_format_does_not_take_its_provenance(
    two_versions: tuple[Path, Path, Path], records_file: Path, tmp_path: Path
) -> None:
    log, first, _ = two_versions
    before = version_path(first).read_bytes()
    for records in (records_file, first):
        with pytest.raises(LabelingError, match=r"v1\.jsonl: expected a name of its own, found that of v1\.json"):
            merge_files(records, log, tmp_path / "v1.jsonl")
    assert version_path(first).read_bytes() == before
    assert not (tmp_path / "v1.jsonl").exists()
    # What a kill has left behind, a provenance without its version, is in nobody's way.
    first.unlink()
    merge_files(records_file, log, tmp_path / "v1.jsonl")
    assert read_steps(version_path(tmp_path / "v1.jsonl"))[-1].suffix == ".jsonl"


def test_the_same_version_may_be_written_again(tmp_path: Path, records_file: Path, batch: TaskBatch) -> None:
    log, output = tmp_path / "answers.jsonl", tmp_path / "v1.json"
    log_answers(log, batch, make_answer(1, ["a", "b"], ["b"]))
    first = merge_files(records_file, log, output)
    before = version_path(output).read_bytes()
    # Another annotator says the same: the version is the same, and so is how it came about.
    log_answers(log, batch, make_answer(1, ["a", "b"], ["b"], annotator="bob"))
    assert merge_files(records_file, log, output) == first
    assert version_path(output).read_bytes() == before


def test_other_records_or_logs_are_refused(two_versions: tuple[Path, Path, Path], tmp_path: Path) -> None:
    log, first, second = two_versions
    steps = read_steps(version_path(second))
    with pytest.raises(LabelingError, match="expected records with the fingerprint"):
        rebuild(steps, str(second), [read_log(log)], tmp_path / "n.jsonl")
    lines = log.read_text().splitlines()
    log.write_text(lines[0] + "\n")
    with pytest.raises(LabelingError, match="first 2 answers"):
        rebuild(steps, str(first), [read_log(log)], tmp_path / "n.jsonl")
    with pytest.raises(LabelingError, match=r"ends in \.jsonl"):
        rebuild(steps, str(first), [read_log(log)], tmp_path / "n.json")
    assert not list(tmp_path.glob("n.*"))


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        "[]",
        '{"format_version": 1, "steps": [{"a": 1}]}',
        '{"format_version": 1, "steps": []}',
        '{"format_version": 2}',
    ],
)
def test_what_is_no_provenance(tmp_path: Path, content: str) -> None:
    path = tmp_path / "v.version.json"
    path.write_text(content)
    with pytest.raises(LabelingError, match="provenance of a version"):
        read_steps(path)
