"""`tagnet label weak` from the command line: functions vote, targets are written, a run trains on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagnet.records.targets import read_targets

Tagnet = Callable[..., tuple[int, str, str]]

FUNCTIONS = """
functions:
  - {kind: names, name: names}
  - {kind: keywords, name: language, tags: [natural-language-processing], any: [text, language, nlp]}
  - {kind: keywords, name: no_language, tags: [natural-language-processing], any: [image, images], vote: -1}
  - {kind: tfidf, name: learned, records: gold.json}
"""
PYTHON = """
from tagnet import labeling_function

@labeling_function("computer-vision")
def looks(example):
    return 1 if "image" in example.text.lower() else None
"""


@pytest.fixture
def folder(small_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Records of which the first 150 have gold."""
    rows: list[dict[str, Any]] = json.loads(small_records.read_text(encoding="utf-8"))
    (tmp_path / "gold.json").write_text(json.dumps(rows[:150]))
    (tmp_path / "records.json").write_text(json.dumps([*rows[:150], *({**row, "tags": []} for row in rows[150:])]))
    (tmp_path / "functions.yaml").write_text(FUNCTIONS)
    (tmp_path / "mine.py").write_text(PYTHON)
    monkeypatch.chdir(tmp_path)
    return tmp_path


COMMAND = (
    "label",
    "weak",
    "--records",
    "records.json",
    "--functions",
    "functions.yaml",
    "--functions",
    "mine.py",
    "--taxonomy",
    "embedded",
    "--output",
    "targets.jsonl",
)


def test_functions_vote_and_a_run_trains_on_it(folder: Path, tagnet: Tagnet, small: tuple[str, ...]) -> None:
    code, out, err = tagnet(*COMMAND, "--report", "report.json")
    assert code == 0, err
    assert "5 functions on 300 records" in out
    assert "em (chosen)" in out
    assert "union" in out
    assert "150 records" in err
    targets = read_targets(folder / "targets.jsonl")
    assert len(targets.ids) == 150
    assert 0.5 < targets.targets_NK.sum(1).mean() < 8
    report = json.loads((folder / "report.json").read_text())
    assert {row["function"] for row in report["functions"]} == {"names", "language", "no_language", "learned", "looks"}
    assert {row["combiner"] for row in report["combiners"]} == {"union", "majority", "em"}
    settings = ["data.records=records.json", "data.targets=targets.jsonl", "labels.min_count=5", "run.dir=run"]
    code, _, err = tagnet("train", *(each for each in small if "min_count" not in each), *settings)
    assert code == 0, err
    assert "training records take their targets from targets.jsonl" in err
    split = json.loads((folder / "run" / "split.json").read_text())
    assert not set(targets.ids) & {*split["val"], *split["test"]}
    assert set(targets.ids) & set(split["train"])
    data = json.loads((folder / "run" / "data.json").read_text())
    assert data["fingerprints"]["targets"] == targets.fingerprint


def test_a_second_time_nobody_is_asked_again_and_the_same_comes_out(folder: Path, tagnet: Tagnet) -> None:
    assert tagnet(*COMMAND)[0] == 0
    first = (folder / "targets.jsonl").read_bytes()
    code, _, err = tagnet(*COMMAND)
    assert code == 0
    assert "5 functions, 5 of them with votes from before in targets.votes" in err
    assert (folder / "targets.jsonl").read_bytes() == first


def test_silent_cells_may_be_unknown(folder: Path, tagnet: Tagnet) -> None:
    assert tagnet(*COMMAND, "--silent", "unknown", "--combine", "union")[0] == 0
    targets = read_targets(folder / "targets.jsonl")
    assert 0 < targets.known_NK.mean() < 1
    assert np.isin(targets.targets_NK, (0, 1)).all()


def test_gold_in_a_file_of_its_own_hides_all_other_tags(folder: Path, tagnet: Tagnet, small_records: Path) -> None:
    assert tagnet(*COMMAND)[0] == 0
    first = read_targets(folder / "targets.jsonl")
    words = [str(small_records) if word == "records.json" else word for word in COMMAND]
    assert tagnet(*words, "--gold", "gold.json")[0] == 0
    second = read_targets(folder / "targets.jsonl")
    assert first.ids == second.ids
    assert np.array_equal(first.targets_NK, second.targets_NK)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--combine", "majorty"), "--combine: expected union, majority, em, snorkel; found 'majorty'; did you mean"),
        (("--silent", "no"), "--silent: expected combined, unknown; found 'no'"),
        (("--gold", "other.json"), "other.json: expected ids of"),
        (("--functions", "none.yaml"), "none.yaml: no such file"),
        (("--feature", "titel"), "--feature titel: no row"),
    ],
)
def test_bad_input_is_one_clear_error(
    words: tuple[str, ...], message: str, folder: Path, tagnet: Tagnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "other.json").write_text('[{"id": 999999, "title": "x", "description": "y", "tags": ["a"]}]')
    code, _, err = tagnet(*COMMAND, *words)
    assert code == 2, err
    assert message in err
    assert "Traceback" not in err
    assert not (folder / "targets.jsonl").exists()


def test_records_that_all_have_gold_leave_nothing_to_label(folder: Path, tagnet: Tagnet) -> None:
    words = ["gold.json" if word == "records.json" else word for word in COMMAND]
    code, _, err = tagnet(*words)
    assert code == 2
    assert "expected records without gold to label, found none among 150" in err


def test_a_run_whose_targets_have_changed_does_not_go_on(folder: Path, tagnet: Tagnet, small: tuple[str, ...]) -> None:
    """The fingerprint of the targets is among those that an unfinished run must find again."""
    from tagnet import train_config
    from tagnet.data.prepare import prepare
    from tagnet.training.run_directory import fingerprints

    assert tagnet(*COMMAND)[0] == 0
    config = train_config("data.records=records.json", "data.targets=targets.jsonl", "labels.min_count=5")
    before = fingerprints(prepare(config))
    assert tagnet(*COMMAND, "--combine", "union")[0] == 0
    after = fingerprints(prepare(config))
    assert [name for name in before if before[name] != after[name]] == ["targets"]
