"""Answers into records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagnet.labeling.answer_log import Origin
from tagnet.labeling.answers import Answer, make_answer
from tagnet.labeling.labelled_rows import LabelledRows
from tagnet.labeling.merge import Merged, merge
from tagnet.labeling.resolve import RULES
from tagnet.labeling.tasks import TaskBatch
from tagnet.records.parse import RowSchema
from tagnet.records.taxonomy import Taxonomy


def sent(batch: TaskBatch, *answers: Answer) -> dict[str, Origin]:
    slips = {str(task.slip.project_id): task.slip for task in batch.tasks}
    return {each.key: Origin(each.key, "csv", "t.csv", None, slips[str(each.project_id)]) for each in answers}


def tags_after(records: LabelledRows, merged: Merged) -> list[tuple[str, ...]]:
    return [merged.tags.get(place, tags) for place, tags in enumerate(records.tags)]


def test_kept_added_removed_skipped_empty(records: LabelledRows, batch: TaskBatch) -> None:
    answers = [
        make_answer(1, ["a", "b"], ["c", "b"], annotator="ann"),
        make_answer("2", ["b"], None, annotator="ann"),
        make_answer(3, [], [], annotator="ann"),
    ]
    merged = merge(records, answers, sent(batch, *answers))
    assert tags_after(records, merged) == [("b", "c"), ("b",), ()]
    assert (merged.num_answered, merged.num_skipped, len(merged.changes)) == (2, 1, 1)
    (change,) = merged.changes
    assert (change.added, change.removed) == (("c",), ("a",))
    empty = make_answer(1, ["a", "b"], [], annotator="ann")
    assert tags_after(records, merge(records, [empty], sent(batch, empty)))[0] == ()


def test_an_id_is_the_same_as_text(records: LabelledRows) -> None:
    merged = merge(records, [make_answer("1", ["a", "b"], ["b"]), make_answer(2, ["b"], ["b", "x"])], {})
    assert tags_after(records, merged)[:2] == [("b",), ("b", "x")]


def test_no_answers_change_nothing(records: LabelledRows) -> None:
    merged = merge(records, [], {})
    assert (merged.tags, merged.review, merged.conflicts, merged.agreement) == ({}, (), (), ())


def test_an_unknown_record_goes_to_review(records: LabelledRows) -> None:
    stranger = make_answer(99, [], ["a"])
    merged = merge(records, [stranger], {})
    assert [entry.reason for entry in merged.review] == ["unknown_record"]
    assert merged.held_back == (stranger.key,)
    assert merged.tags == {}


def test_a_changed_text_goes_to_review(records: LabelledRows, batch: TaskBatch) -> None:
    answer = make_answer(1, ["a", "b"], ["c"])
    rows = ({**records.rows[0], "description": "Another tour."}, *records.rows[1:])
    merged = merge(replace(records, rows=rows), [answer], sent(batch, answer))
    assert merged.tags == {}
    assert [(entry.reason, entry.project_id) for entry in merged.review] == [("text_changed", 1)]
    assert merge(replace(records, rows=rows), [answer], {}).tags == {0: ("c",)}


def test_tags_that_came_later_stay(records: LabelledRows, batch: TaskBatch) -> None:
    answer = make_answer(1, ["a", "b"], ["b"])
    later = replace(records, tags=(("a", "new", "b"), *records.tags[1:]))
    merged = merge(later, [answer], sent(batch, answer))
    assert merged.tags[0] == ("new", "b")
    assert [(entry.reason, entry.tags) for entry in merged.review] == [("tags_moved_on", ("new",))]
    trusted = merge(later, [answer], {})
    assert trusted.tags[0] == ("b",)
    assert [(entry.reason, entry.tags) for entry in trusted.review] == [("tags_moved_on", ("new",))]


def test_merging_twice_changes_nothing_more(records: LabelledRows, batch: TaskBatch) -> None:
    answers = [make_answer(1, ["a", "b"], ["c"]), make_answer("2", ["b"], ["d", "b"])]
    origins = sent(batch, *answers)
    once = tags_after(records, merge(records, answers, origins))
    again = merge(replace(records, tags=tuple(once)), answers, origins)
    assert (again.tags, again.review) == ({}, ())


def test_without_a_taxonomy_no_tag_is_changed(records: LabelledRows) -> None:
    assert merge(records, [make_answer(3, [], ["aleph"])], {}).tags[2] == ("aleph",)


def test_a_taxonomy_resolves_and_adds_in_answered_records_alone(records: LabelledRows, taxonomy: Taxonomy) -> None:
    answers = [make_answer(3, [], ["aleph", "strange"]), make_answer("2", ["b"], None)]
    merged = merge(records, answers, {}, taxonomy=taxonomy)
    assert merged.tags == {2: ("a", "top")}
    assert [(entry.reason, entry.tags) for entry in merged.review] == [("unknown_tags", ("strange",))]


def test_what_the_author_gave_is_no_stranger(records: LabelledRows) -> None:
    from tagnet.records.taxonomy import build_taxonomy

    merged = merge(
        records, [make_answer(1, ["a", "b"], ["a", "b"])], {}, taxonomy=build_taxonomy([{"tag": "z"}], "tags.json")
    )
    assert (merged.tags, merged.review) == ({}, ())


def test_a_removed_parent_that_comes_back_is_said(records: LabelledRows) -> None:
    from tagnet.records.taxonomy import build_taxonomy

    taxonomy = build_taxonomy([{"tag": "a", "parents": ["b"]}, {"tag": "b"}], "tags.json")
    merged = merge(records, [make_answer(1, ["a", "b"], ["a"])], {}, taxonomy=taxonomy)
    assert merged.tags == {}
    assert [(entry.reason, entry.tags) for entry in merged.review] == [("contradicts_parents", ("b",))]


def test_conflicts_are_listed_and_resolved(records: LabelledRows) -> None:
    answers = [
        make_answer(1, ["a", "b"], chosen, annotator=who)
        for who, chosen in (("ann", ["a", "b"]), ("bob", ["a", "c"]), ("cat", ["a", "c"]))
    ]
    merged = merge(records, answers, {}, rule="majority")
    (conflict,) = merged.conflicts
    assert conflict.disputed == {"b": ("ann",), "c": ("bob", "cat")}
    assert (conflict.annotators, conflict.resolved) == (("ann", "bob", "cat"), ("a", "c"))
    assert {row.tag for row in merged.agreement} == {"a", "b", "c"}


def test_held_back_by_hand(records: LabelledRows) -> None:
    answers = [make_answer(1, ["a", "b"], ["a"]), make_answer("2", ["b"], [])]
    merged = merge(records, answers, {}, held_back=[answers[0].key])
    assert merged.tags == {1: ()}
    assert merged.held_back == (answers[0].key,)


TAGS = st.lists(st.sampled_from("abcdef"), max_size=5, unique=True)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "dawid-skene"])
@given(
    st.lists(TAGS, min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["ann", "bob", None]), st.none() | TAGS), max_size=8),
)
def test_what_nobody_answered_stays_and_what_all_want_comes(
    rule: str, tags: list[list[str]], given_answers: list[tuple[int, str | None, list[str] | None]]
) -> None:
    rows = LabelledRows(
        "r.json",
        tuple({"id": n, "tags": each} for n, each in enumerate(tags)),
        tuple(range(len(tags))),
        tuple(map(tuple, tags)),
        RowSchema({}, (), need_tags=True),
        "",
    )
    answers = [make_answer(n, tags[n], chosen, annotator=who) for n, who, chosen in given_answers if n < len(tags)]
    merged = merge(rows, answers, {}, rule="latest" if rule == "latest" else "majority")
    last: dict[int, Mapping[str | None, Answer]] = {}
    for answer in answers:
        place = int(answer.project_id)
        last[place] = {**last.get(place, {}), answer.annotator: answer}
    for place, before in enumerate(rows.tags):
        counted = [answer for answer in last.get(place, {}).values() if not answer.skipped]
        after = set(merged.tags.get(place, before))
        if not counted:
            assert place not in merged.tags
        elif len(counted) == 1:
            assert after == set(counted[0].tags)
        else:
            wanted = [set(answer.tags) for answer in counted]
            assert set.intersection(*wanted) <= after <= set.union(*wanted)
