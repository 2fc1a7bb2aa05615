"""Answers, and what contradicts itself."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagnet.errors import LabelingError
from tagnet.labeling.answers import answer_from_plain, answer_to_plain, make_answer, moment

GOOD: dict[str, Any] = {
    "project_id": 1,
    "annotator": "ann",
    "at": "2026-11-02T10:00:00Z",
    "kept": ["a"],
    "added": [],
    "removed": ["b"],
    "skipped": False,
    "empty": False,
    "comment": None,
}
TAGS = st.lists(st.text(max_size=3), max_size=4, unique=True)


@given(TAGS, st.none() | TAGS, st.integers() | st.text(min_size=1, max_size=4))
def test_an_answer_comes_back(shown: list[str], chosen: list[str] | None, identity: int | str) -> None:
    answer = make_answer(identity, shown, chosen, annotator="ann")
    plain = answer_to_plain(answer)
    assert list(plain) == list(GOOD)
    assert answer_from_plain(plain, "line 1") == answer
    assert answer_from_plain(plain, "line 1").key == answer.key
    assert (answer.skipped, answer.empty) == (chosen is None, chosen == [])
    if chosen is not None:
        assert set(answer.tags) == set(chosen)
        assert set(answer.kept) | set(answer.removed) == set(shown)
        assert not set(answer.added) & set(shown)
    else:
        assert answer.tags == answer.removed == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"project_id": None}, "project_id"),
        ({"project_id": True}, "project_id"),
        ({"at": 3}, "at"),
        ({"annotator": True}, "annotator"),
        ({"kept": "a"}, "kept"),
        ({"added": [1]}, "added"),
        ({"skipped": 0}, "skipped"),
        ({"skipped": True}, "skipped"),
        ({"empty": True}, "empty: expected false"),
        ({"kept": []}, "empty: expected true"),
        ({"more": 1}, "keys"),
    ],
)
def test_a_wrong_answer_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(LabelingError, match=words) as caught:
        answer_from_plain({**GOOD, **change}, "answers.jsonl, line 3")
    assert "answers.jsonl, line 3" in str(caught.value)


def test_an_annotator_may_be_a_number() -> None:
    assert answer_from_plain({**GOOD, "annotator": 7}, "line 1").annotator == "7"


def test_moments_are_in_order() -> None:
    ats = [
        None,
        "nonsense",
        "2026-11-02",
        "2026-11-02T10:00:00+02:00",
        "2026-11-02T09:00:00Z",
        "0001-01-01T00:00:00+05:00",
    ]
    assert sorted(ats[2:5], key=moment) == ats[2:5]
    assert moment(ats[0]) == moment(ats[1]) < moment(ats[2])
    assert moment(ats[5]) < moment(ats[2])
