"""The store of votes, and what is known about functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tagnet.errors import LabelingError
from tagnet.labeling.weak.combine import Combined, Gold, consistent
from tagnet.labeling.weak.compare import compare_on_gold
from tagnet.labeling.weak.conflicts import find_conflicts
from tagnet.labeling.weak.functions import Example, LabelingFunction, Votes
from tagnet.labeling.weak.statistics import function_statistics, wilson
from tagnet.labeling.weak.votes import VoteMatrix, collect_votes
from tagnet.records.taxonomy import Taxonomy

EXAMPLES = [Example(n, {}, text) for n, text in enumerate(["sets", "graphs", "sets and graphs", "maps"])]


class Asked:
    """A function that counts how often it is asked."""

    def __init__(self, name: str, word: str, votes: Votes, version: str = "1") -> None:
        self.times = 0
        self._word, self._votes = word, votes
        self.function = LabelingFunction(name, ("a", "b"), version, self._vote)

    def _vote(self, examples: Sequence[Example]) -> Sequence[Votes]:
        self.times += 1
        return [self._votes if self._word in example.text else {} for example in examples]


@pytest.fixture
def three() -> list[Asked]:
    return [Asked("f", "sets", {"a": 1}), Asked("g", "graphs", {"a": -1, "b": 1}), Asked("h", "sets", {"a": 1})]


def voted(three: Sequence[Asked], store: Path | None = None) -> VoteMatrix:
    return collect_votes([each.function for each in three], EXAMPLES, ("a", "b"), store)


def test_votes_are_sparse_and_counted(three: list[Asked]) -> None:
    votes = voted(three)
    assert len(votes.vote_V) == 8
    assert votes.counts(1).tolist() == [[2, 0], [0, 1], [2, 1], [0, 0]]
    assert votes.counts(-1).tolist() == [[0, 0], [1, 0], [1, 0], [0, 0]]
    chosen, of_a = votes.of_tag(0)
    assert chosen.tolist() == [0, 1, 2]
    assert of_a.toarray().tolist() == [[1, 0, 1], [0, -1, 0], [1, -1, 1], [0, 0, 0]]
    assert votes.take(np.array([2, 0])).counts(1).tolist() == [[2, 1], [2, 0]]


def test_only_what_is_new_is_asked(tmp_path: Path, three: list[Asked]) -> None:
    first = voted(three, tmp_path)
    again = [Asked("f", "sets", {"a": 1}), Asked("g", "graphs", {"a": 1}, version="2"), Asked("h", "sets", {"a": 1})]
    second = voted(again, tmp_path)
    assert [each.times for each in (*three, *again)] == [1, 1, 1, 0, 1, 0]
    assert np.array_equal(first.counts(1)[0], second.counts(1)[0])
    assert second.counts(-1).sum() == 0
    for file in tmp_path.iterdir():
        file.write_bytes(b"broken")
    assert np.array_equal(voted(three, tmp_path).counts(1), first.counts(1))
    assert [each.times for each in three] == [2, 2, 2]


def test_other_records_are_asked_about_anew(tmp_path: Path, three: list[Asked]) -> None:
    voted(three, tmp_path)
    collect_votes([three[0].function], EXAMPLES[:2], ("a", "b"), tmp_path)
    assert three[0].times == 2


def test_two_functions_of_one_name_are_refused(three: list[Asked]) -> None:
    with pytest.raises(LabelingError, match="expected names of their own, found 'f' twice"):
        voted([three[0], Asked("f", "x", {})])


def test_too_few_answers_are_refused() -> None:
    with pytest.raises(LabelingError, match="labeling function short: expected votes on 4 records, found 1"):
        collect_votes([LabelingFunction("short", ("a",), "1", lambda examples: [{}])], EXAMPLES, ("a",))


def test_statistics_of_functions(three: list[Asked]) -> None:
    known = np.zeros((4, 2), dtype=bool)
    known[:3] = True
    gold = Gold(np.array([[1, 0], [0, 1], [0, 1], [0, 0]], dtype=np.uint8), known)
    f, g, h = function_statistics(voted(three), gold)
    assert (f.votes_for, f.votes_against, f.overlaps, f.conflicts, f.alone_for) == (2, 0, 2, 1, 0)
    assert (f.judged, f.right, f.judged_for, f.right_for) == (2, 1, 2, 1)
    assert (f.nearest, f.redundancy, h.nearest) == ("h", 1.0, "f")
    assert (g.votes_for, g.votes_against, g.conflicts, g.alone_for, g.right) == (2, 2, 1, 2, 4)
    assert g.precision_for == wilson(2, 2)
    of_g_and_b = next(
        row for row in function_statistics(voted(three), gold, by_tag=True) if (row.function, row.tag) == ("g", "b")
    )
    assert (of_g_and_b.votes_for, of_g_and_b.votes_against) == (2, 0)
    assert function_statistics(voted(three), None)[0].precision_for is None


def test_wilsons_interval_is_within_its_bounds() -> None:
    assert wilson(0, 0) is None
    for right, number in ((0, 5), (5, 5), (3, 7)):
        found = wilson(right, number)
        assert found is not None
        share, low, high = found
        assert 0 <= low <= share <= high <= 1


def test_conflicts_come_with_their_texts_and_the_gold(three: list[Asked]) -> None:
    gold = Gold(np.array([[0, 0]] * 4, dtype=np.uint8), np.ones((4, 2), dtype=bool))
    [conflict] = find_conflicts(voted(three), EXAMPLES, gold)
    assert (conflict.id, conflict.tag, conflict.text) == (2, "a", "sets and graphs")
    assert (conflict.votes_for, conflict.votes_against, conflict.gold) == (("f", "h"), ("g",), False)


def test_gold_is_hidden_from_the_combiner_that_it_judges(three: list[Asked]) -> None:
    """A combiner that could see the gold would be always right; these votes are always wrong."""
    gold = Gold(np.array([[0, 0], [1, 0], [0, 0], [1, 0]], dtype=np.uint8), np.ones((4, 2), dtype=bool))
    union = compare_on_gold(voted(three), gold, ["union"])[0]
    assert (union.num_records, union.f1_macro) == (4, 0.0)


def test_parents_are_at_least_as_likely_as_children(taxonomy: Taxonomy) -> None:
    probs = np.array([[0.9, 0.1, 0.2], [0.2, 0.0, 0.8], [0.7, 0.0, 0.0]])
    known = np.array([[True, True, True], [True, True, True], [True, True, False]])
    found = consistent(Combined(probs, known), ("a", "b", "top"), taxonomy)
    assert found.probs_NK[:, 2].tolist() == [0.9, 0.8, 0.7]
    assert found.known_NK.all()
    assert np.array_equal(found.probs_NK[:, :2], probs[:, :2])
