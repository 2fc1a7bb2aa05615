"""Agreement, tag by tag."""

from __future__ import annotations

import sys

import pytest
from sklearn.metrics import cohen_kappa_score

from tagnet.labeling.agreement import agreement
from tagnet.labeling.answers import Answer, make_answer

ANN = [["a"], ["a"], [], ["a", "b"], [], ["a"], [], []]
BOB = [["a"], [], [], ["a"], ["a"], ["a"], [], []]


def votes_of() -> dict[str, list[Answer]]:
    found = {
        str(number): [make_answer(number, [], tags, annotator=who) for who, tags in (("ann", ann), ("bob", bob))]
        for number, (ann, bob) in enumerate(zip(ANN, BOB, strict=True))
    }
    return {**found, "alone": [make_answer("alone", [], ["a"], annotator="ann")]}


def test_alpha_is_near_cohens_kappa() -> None:
    rows = {row.tag: row for row in agreement(votes_of())}
    a = rows["a"]
    assert (a.agreeing, a.chosen, a.records) == (6, 5, 8)
    kappa = cohen_kappa_score(["a" in tags for tags in ANN], ["a" in tags for tags in BOB])
    assert a.alpha == pytest.approx(kappa, abs=0.05)
    # 1 − observed / expected disagreement, worked by hand: 4 of 16 values disagree in pairs, 8 of 16 are ones.
    assert a.alpha == pytest.approx(1 - (4 / 16) / (2 * 8 * 8 / (16 * 15)))
    assert rows["b"].agreeing == 7


def test_the_least_agreed_come_first() -> None:
    alphas = [row.alpha for row in agreement(votes_of())]
    assert alphas == sorted(alphas, key=lambda alpha: 1.0 if alpha is None else alpha)


def test_all_of_one_mind_have_no_alpha() -> None:
    both = {"1": [make_answer(1, [], ["a"], annotator=who) for who in ("ann", "bob")]}
    (row,) = agreement(both)
    assert (row.alpha, row.agreeing) == (None, 1)


def test_nobody_shared_a_record() -> None:
    assert agreement({"1": [make_answer(1, [], ["a"], annotator="ann")]}) == ()


def test_without_the_extra_counts_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "krippendorff", None)
    monkeypatch.setattr("tagnet.labeling.agreement.can_measure", lambda: False)
    rows = agreement(votes_of())
    assert {row.tag: (row.alpha, row.agreeing) for row in rows} == {"a": (None, 6), "b": (None, 7)}
