"""brat's shapes: https://brat.nlplab.org/standoff.html and https://brat.nlplab.org/configuration.html,

and nlplab/brat, server/src/annotation.py, whose parser of text-bound annotations `parse_as_brat` writes out.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

from tagnet.errors import LabelingError
from tagnet.labeling.collect import Collected, collect
from tagnet.labeling.tasks import TaskBatch, make_batch
from tagnet.labeling.tools.brat import Brat, tag_of, type_of
from tagnet.records.record import Record


def parse_as_brat(ann: str, text: str) -> list[tuple[str, str]]:
    """(id, type) of each line: an id of letters and a number, a tab, type and offsets, a tab, the text they cover."""
    marks = []
    for line in ann.splitlines():
        identity, body, covered = line.split("\t")
        assert re.fullmatch(r"T[0-9]+", identity)
        type_, start, end = body.split(" ")
        assert re.fullmatch(r"[a-zA-Z0-9_-]+", type_)
        assert text[int(start) : int(end)] == covered != ""
        marks.append((identity, type_))
    assert len({identity for identity, _ in marks}) == len(marks)
    return marks


@pytest.fixture
def folder(batch: TaskBatch, tmp_path: Path) -> Path:
    Brat().write(batch, tmp_path / "brat")
    return tmp_path / "brat"


def read(path: Path) -> Collected:
    return collect(Brat().read(path), tool="brat", file=path.name, file_sha256=None)


def test_a_collection(folder: Path) -> None:
    assert (folder / "1.txt").read_text() == "Sets\n\nA tour.\n"
    marks = parse_as_brat((folder / "1.ann").read_text(), (folder / "1.txt").read_text())
    assert [type_ for _, type_ in marks] == ["a", "b"]
    assert (folder / "3.ann").read_text() == ""
    sections = re.findall(r"^\[(\w+)\]$", (folder / "annotation.conf").read_text(), re.MULTILINE)
    assert sections == ["entities", "relations", "events", "attributes"]


def test_every_type_is_in_the_config(tmp_path: Path) -> None:
    tags = ("c++", "natural language", "x_y", "Füße", "a|b", "-")
    batch = make_batch([Record(1, {"title": "Über alles"}, tags, None)], ["title"])
    Brat().write(batch, tmp_path / "brat")
    entities = (tmp_path / "brat" / "annotation.conf").read_text().split("\n\n")[0].splitlines()[1:]
    marks = parse_as_brat((tmp_path / "brat" / "1.ann").read_text(), (tmp_path / "brat" / "1.txt").read_text())
    assert {type_ for _, type_ in marks} < set(entities)
    assert [tag_of(type_) for _, type_ in marks] == list(tags)
    assert "c_2b_2b | c++" in (tmp_path / "brat" / "visual.conf").read_text()


def test_marks_anywhere_notes_and_skips(folder: Path) -> None:
    (folder / "1.ann").write_text(
        "T3\tb 6 7\tA\nT9\tnew 0 4;6 7\tSets A\n#1\tAnnotatorNotes T9\twhy not\nA1\tSure T3\n"
    )
    (folder / "2.ann").write_text("T1\t_skip 0 6\tGraphs\n")
    (folder / "3.ann").unlink()
    found = read(folder)
    first, second = (answer for answer, _ in found.answers)
    assert (first.kept, first.added, first.comment, second.skipped) == (("b",), ("new",), "why not", True)
    assert found.num_waiting == 1


def test_a_zip_of_the_folder(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"brat/{path.name}")
    assert [answer.kept for answer, _ in read(tmp_path / "b.zip").answers] == [("a", "b"), ("b",), ()]


def test_a_document_that_is_not_ours_goes_to_review(folder: Path) -> None:
    (folder / "x.ann").write_text("T1\ta 0 4\tSets\n")
    found = read(folder)
    assert [entry.reason for entry in found.review] == ["not_our_task"]
    assert len(found.answers) == 3


def test_a_folder_is_never_overwritten(folder: Path, batch: TaskBatch) -> None:
    with pytest.raises(LabelingError, match="new folder"):
        Brat().write(batch, folder)


def test_another_collection_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.ann").write_text("T1\ta 0 4\tSets\n")
    with pytest.raises(LabelingError, match="another collection"):
        Brat().read(tmp_path)
    with pytest.raises(LabelingError, match="expected a folder"):
        Brat().read(tmp_path / "x.ann")


def test_tags_and_types() -> None:
    assert type_of("machine-learning") == "machine-learning"
    assert tag_of("Some_Type") == "Some_Type"
    assert tag_of("x_ff") == "x_ff"
