"""Replies against slips: answers, review, or one error."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tagnet.errors import LabelingError
from tagnet.labeling.collect import Collected, collect
from tagnet.labeling.tasks import TaskBatch, write_slip
from tagnet.labeling.tools.codec import NO_TAG, SKIP, Replies, Reply
from tagnet.records.taxonomy import Taxonomy


def reply(batch: TaskBatch, place: int, *chosen: str) -> Reply:
    task = batch.tasks[place]
    return Reply(f"item {place}", write_slip(task.slip), chosen, text=task.text, found={"place": place})


def collected(*replies: Reply, tags: frozenset[str] | None = None, taxonomy: Taxonomy | None = None) -> Collected:
    return collect(Replies(replies, tags, ()), tool="csv", file="t.csv", file_sha256=None, taxonomy=taxonomy)


def test_an_answer_knows_where_it_comes_from(batch: TaskBatch) -> None:
    ((answer, origin),) = collected(replace(reply(batch, 0, "b", "c"), annotator="ann", at="2026-11-02")).answers
    assert (answer.kept, answer.added, answer.removed) == (("b",), ("c",), ("a",))
    assert (answer.annotator, answer.at, origin.answer, origin.slip) == (
        "ann",
        "2026-11-02",
        answer.key,
        batch.tasks[0].slip,
    )


def test_words_for_skipping_and_for_no_tag(batch: TaskBatch) -> None:
    found = collected(reply(batch, 0, SKIP), reply(batch, 1, NO_TAG), reply(batch, 2, NO_TAG, "a"))
    first, second, third = (answer for answer, _ in found.answers)
    assert (first.skipped, second.empty, third.tags) == (True, True, ("a",))
    assert found.review == ()


def test_without_a_taxonomy_no_tag_is_changed(batch: TaskBatch) -> None:
    found = collected(reply(batch, 0, "aleph"), tags=frozenset({"aleph"}))
    assert found.answers[0][0].added == ("aleph",)
    assert found.review == ()


def test_with_a_taxonomy_tags_are_canonical(batch: TaskBatch, taxonomy: Taxonomy) -> None:
    found = collected(reply(batch, 1, "aleph", "b", "new"), taxonomy=taxonomy)
    assert found.answers[0][0].added == ("a", "top", "new")
    (entry,) = found.review
    assert (entry.reason, entry.tags) == ("unknown_tags", ("new",))


def test_a_shown_tag_outside_the_taxonomy_is_no_stranger(batch: TaskBatch) -> None:
    from tagnet.records.taxonomy import build_taxonomy

    found = collected(reply(batch, 0, "a", "b"), taxonomy=build_taxonomy([{"tag": "a"}], "tags.json"))
    assert found.answers[0][0].kept == ("a", "b")
    assert found.review == ()


def test_a_removed_parent_that_comes_back_is_said(batch: TaskBatch) -> None:
    from tagnet.records.taxonomy import build_taxonomy

    taxonomy = build_taxonomy([{"tag": "a", "parents": ["b"]}, {"tag": "b"}], "tags.json")
    found = collected(reply(batch, 0, "a"), taxonomy=taxonomy)
    assert found.answers[0][0].kept == ("a", "b")
    assert [(entry.reason, entry.tags) for entry in found.review] == [("contradicts_parents", ("b",))]


def test_nothing_is_dropped(batch: TaskBatch) -> None:
    changed = replace(reply(batch, 0, "a"), text="Another text")
    foreign = replace(reply(batch, 1, "a"), slip=None)
    unclear = replace(reply(batch, 2, "a"), unclear="nobody can say")
    found = collected(changed, foreign, unclear)
    assert found.answers == ()
    assert [entry.reason for entry in found.review] == ["text_changed", "not_our_task", "unclear_answer"]
    assert [entry.found for entry in found.review] == [{"place": 0}, {"place": 1}, {"place": 2}]


def test_a_foreign_export_is_one_error(batch: TaskBatch) -> None:
    with pytest.raises(LabelingError, match=r"t\.csv: none of its 2 tasks"):
        collected(replace(reply(batch, 0), slip=None), replace(reply(batch, 1), slip="x"))
    with pytest.raises(LabelingError, match="none of its 1 tasks"):
        collect(Replies((), None, (None,)), tool="csv", file="t.csv", file_sha256=None)


def test_an_annotator_given_by_hand(batch: TaskBatch) -> None:
    replies = Replies((reply(batch, 0, "a"), replace(reply(batch, 1, "a"), annotator="bob")), None, ())
    found = collect(replies, tool="csv", file="t.csv", file_sha256=None, annotator="ann")
    assert [answer.annotator for answer, _ in found.answers] == ["ann", "bob"]
