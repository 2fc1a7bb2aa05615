"""Whose tags a record gets."""

from __future__ import annotations

import random
import sys

import pytest

from tagnet.errors import ConfigError, MissingExtraError
from tagnet.labeling.answers import Answer, make_answer
from tagnet.labeling.resolve import check_rule, majority, resolve, votes


def said(who: str | None, *tags: str, at: str | None = None) -> Answer:
    return make_answer(1, ["a", "b"], tags, annotator=who, at=at)


def test_the_latest_of_each_counts_by_time_and_then_by_place() -> None:
    assert votes([said("ann", "a", at="2026-02-02"), said("ann", "b", at="2026-01-01")])[0].tags == ("a",)
    assert votes([said("ann", "a"), said("ann", "b")])[0].tags == ("b",)
    assert votes([said("ann", "a"), said(None, "b"), said(None, "c")]) == [said("ann", "a"), said(None, "c")]


def test_an_answer_without_a_time_is_later_than_those_before_it_in_the_log() -> None:
    timed, sheet = said("ann", "a", at="2026-02-02"), said("ann", "b")
    assert votes([timed, sheet]) == [sheet]
    assert votes([sheet, timed]) == [timed]
    # Later ones may be of an earlier time; what the sheet corrected stays corrected.
    assert votes([timed, sheet, said("ann", "c", at="2026-01-01")]) == [sheet]
    assert votes([timed, said("bob", "b")])[-1].annotator == "bob"


def test_who_skipped_last_says_nothing() -> None:
    skipped = make_answer(1, ["a"], None, annotator="ann", at="2026-03-03")
    assert votes([said("ann", "a", at="2026-02-02"), skipped]) == []
    assert votes([skipped, said("bob", "a", at="2026-01-01")]) == [said("bob", "a", at="2026-01-01")]


def test_latest_takes_the_last_vote() -> None:
    assert resolve({"1": [said("ann", "a"), said("bob", "b")]}, {"1": ()}, "latest") == {"1": ("b",)}


def test_a_majority_is_more_than_half() -> None:
    three = [said("ann", "a", "c"), said("bob", "a"), said("cat", "d")]
    assert majority(three, ["b"]) == ("a",)
    assert majority([said("ann", "a"), said("bob")], []) == ()
    assert majority([said("ann", "a"), said("bob")], ["a"]) == ("a",)


def test_dawid_skene_learns_whom_to_trust() -> None:
    draw = random.Random(0)
    votes_of: dict[str, list[Answer]] = {}
    truth: dict[str, set[str]] = {}
    for number in range(120):
        right = {tag for tag in "abc" if draw.random() < 0.4}
        truth[str(number)] = right
        votes_of[str(number)] = [
            make_answer(number, [], [tag for tag in "abc" if (tag in right) != (draw.random() < wrong)], annotator=who)
            for who, wrong in (("ann", 0.05), ("bob", 0.05), ("cat", 0.45), ("dan", 0.45), ("eve", 0.45))
        ]

    def correct(rule: str) -> int:
        found = resolve(votes_of, dict.fromkeys(votes_of, ()), check_rule(rule))
        return sum(set(found[record]) == right for record, right in truth.items())

    assert correct("dawid-skene") > correct("majority") > correct("latest")


def test_one_annotator_alone_is_believed() -> None:
    votes_of = {"1": [said("ann", "a")], "2": [said("ann", "a"), said("bob", "b")], "3": [said("bob")]}
    steps: list[tuple[int, int]] = []
    found = resolve(votes_of, dict.fromkeys(votes_of, ()), "dawid-skene", lambda *step: steps.append(step))
    assert (found["1"], found["3"]) == (("a",), ())
    assert steps == [(1, 2), (2, 2)]


def test_all_of_one_mind_need_no_model() -> None:
    votes_of = {"1": [said("ann", "a"), said("bob", "a")], "2": [said("ann"), said("bob")]}
    assert resolve(votes_of, {"1": (), "2": ()}, "dawid-skene") == {"1": ("a",), "2": ()}


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "crowdkit.aggregation", None)
    with pytest.raises(MissingExtraError, match=r"tagnet\[label\]"):
        resolve({"1": [said("ann", "a"), said("bob", "b")]}, {"1": ()}, "dawid-skene")


def test_an_unknown_rule_is_named() -> None:
    with pytest.raises(ConfigError, match="did you mean majority"):
        check_rule("majorty")
