"""Labels that have changed since a cross-validation are not judged."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tagnet.cli.console import message_console
from tagnet.cli.label_audit_judges import Audit, choose_learner, judge
from tagnet.errors import ConfigError, LabelingError
from tagnet.labeling.labelled_rows import LabelledRows
from tagnet.records.parse import RowSchema
from tagnet.records.record import Record
from tagnet.records.taxonomy import Taxonomy, build_taxonomy
from tagnet.workflows import out_of_fold
from tagnet.workflows.out_of_fold import OutOfFold

TAGS = ("a", "b", "top")
ROWS = LabelledRows("records.json", (), (), (), RowSchema({}, (), need_tags=True), "")


@pytest.fixture
def taxonomy() -> Taxonomy:
    rows = [
        {"tag": "a", "aliases": ["aleph"], "parents": ["top"]},
        {"tag": "b", "aliases": [], "parents": []},
        {"tag": "top", "aliases": [], "parents": []},
    ]
    return build_taxonomy(rows, "tags.json")


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch) -> Audit:
    """A cross-validation whose runs were told: 1 bears a and top, 2 nothing."""
    found = OutOfFold(("2", "1"), TAGS, np.full((2, 3), 0.5), np.array([[0, 0, 0], [1, 0, 1]], dtype=np.uint8))
    monkeypatch.setattr(out_of_fold, "from_crossval", lambda _: found)
    return Audit("records.json", Path("x"), None, 9, "both", "probability", (), 10, 5, 0, None, (), (), "cpu")


def known(audit: Audit, tags: dict[int, tuple[str, ...]], tree: Taxonomy | None) -> list[list[bool]]:
    records = [Record(number, {"title": "x"}, own, None) for number, own in tags.items()]
    found: list[list[bool]] = judge(audit, None, ROWS, records, ["title"], tree, message_console()).known_NK.tolist()
    return found


def test_aliases_and_parents_are_no_change(audit: Audit, taxonomy: Taxonomy) -> None:
    assert known(audit, {1: ("aleph",), 2: ()}, taxonomy) == [[True] * 3] * 2
    assert known(audit, {1: ("a", "top"), 2: ()}, None) == [[True] * 3] * 2
    assert known(audit, {1: ("aleph",), 2: ()}, None)[0] == [False, True, False]


def test_what_was_added_or_taken_away_is_not_judged(
    audit: Audit, taxonomy: Taxonomy, capsys: pytest.CaptureFixture[str]
) -> None:
    assert known(audit, {1: ("a", "b"), 2: ("aleph",), 3: ()}, taxonomy) == [
        [True, False, True],
        [False, True, True],
        [False] * 3,
    ]
    said = " ".join(capsys.readouterr().err.split())
    assert re.search("1 of 3 records are not judged.*2 of 3 records have other tags than the runs were told", said)


def test_records_that_no_run_knows(audit: Audit) -> None:
    with pytest.raises(LabelingError, match="those of other records, such as '2'"):
        known(audit, {7: ()}, None)


def test_a_learner_beside_a_cross_validation(audit: Audit) -> None:
    assert choose_learner(audit) is None
    with pytest.raises(ConfigError, match="found both"):
        choose_learner(Audit(**{**vars(audit), "learner": "tfidf"}))
    with pytest.raises(ConfigError, match="did you mean tfidf"):
        choose_learner(Audit(**{**vars(audit), "crossval": None, "learner": "tf-idf"}))
