"""Files of targets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tagnet.errors import RecordError
from tagnet.records.targets import read_targets, write_targets

HEAD = '{"tagnet_targets": 1, "tags": ["a", "b"]}'


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "targets.jsonl"
    targets = np.array([[0.123456, 1.0], [0.5, 0.9]])
    known = np.array([[True, True], [True, False]])
    write_targets(path, ["a", "b"], [7, "x"], targets, known, {"combiner": "em"})
    found = read_targets(path)
    assert (found.tags, found.ids) == (("a", "b"), (7, "x"))
    assert np.allclose(found.targets_NK, [[0.12346, 1.0], [0.5, 0.0]])
    assert np.array_equal(found.known_NK, known)
    assert json.loads(path.read_text().splitlines()[0])["combiner"] == "em"


def test_a_file_without_records_is_read(tmp_path: Path) -> None:
    path = tmp_path / "targets.jsonl"
    path.write_text(HEAD)
    assert read_targets(path).targets_NK.shape == (0, 2)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "found an empty file"),
        ("[]", "line 1: expected an object"),
        ('{"tags": ["a"]}', "expected a first line"),
        ('{"tagnet_targets": 1, "tags": []}', "line 1: tags: expected at least one tag"),
        ('{"tagnet_targets": 1, "tags": ["a", "a"]}', "line 1: tags: expected at least one tag, each once"),
        (HEAD + "\n{", "broken JSON at line 2"),
        (HEAD + '\n{"targets": [0, 1]}', "line 2: id: expected a number or text"),
        (HEAD + '\n{"id": 1, "targets": [0]}', "line 2: targets: expected a list of 2, found 1"),
        (HEAD + '\n{"id": 1, "targets": [0, 1.5]}', "line 2: targets: expected numbers from 0 to 1.*found 1.5"),
        (HEAD + '\n{"id": 1, "targets": [0, true]}', "found true"),
        (HEAD + '\n{"id": 1, "targets": [0, 1]}\n{"id": "1", "targets": [0, 1]}', "line 3: id: .* that of line 2"),
    ],
)
def test_a_broken_file_names_the_line(lines: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "targets.jsonl"
    path.write_text(lines)
    with pytest.raises(RecordError, match=message):
        read_targets(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such file"):
        read_targets(tmp_path / "targets.jsonl")
