"""Tasks and their slips."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagnet.errors import LabelingError
from tagnet.labeling.tasks import ShownTag, Slip, TaskBatch, make_batch, read_slip, text_hash, write_slip
from tagnet.records.record import Record, content_hash

TEXTS = st.text(max_size=10)
SHOWN = st.builds(
    ShownTag,
    TEXTS,
    st.sampled_from(["author", "model", "rule"]),
    st.none() | TEXTS,
    st.none() | st.floats(0, 1),
)
SLIPS = st.builds(
    Slip,
    st.integers() | TEXTS,
    TEXTS,
    st.lists(TEXTS, max_size=3).map(tuple),
    TEXTS,
    TEXTS,
    st.lists(SHOWN, max_size=3).map(tuple),
    TEXTS,
)


@given(SLIPS)
def test_a_slip_comes_back(slip: Slip) -> None:
    written = write_slip(slip)
    assert written.isascii()
    assert "\n" not in written
    assert read_slip(written) == read_slip(json.loads(written)) == slip
    assert type(read_slip(written).project_id) is type(slip.project_id)


@given(SLIPS, st.data())
def test_a_cut_slip_is_no_slip(slip: Slip, data: st.DataObject) -> None:
    written = write_slip(slip)
    with pytest.raises(LabelingError):
        read_slip(written[: data.draw(st.integers(0, len(written) - 1))])


@pytest.mark.parametrize("key", ["project_id", "content_hash", "features", "text_hash", "tag_set", "shown"])
def test_an_edited_slip_is_no_slip(batch: TaskBatch, key: str) -> None:
    plain = json.loads(write_slip(batch.tasks[0].slip))
    plain[key] = "other"
    with pytest.raises(LabelingError, match="edited"):
        read_slip(plain)


@pytest.mark.parametrize("value", [None, "", "{}", "x", 3, [], {"tagnet": 2}])
def test_what_is_no_slip(value: object) -> None:
    with pytest.raises(LabelingError, match="expected the slip"):
        read_slip(value)


def test_a_task_knows_what_was_sent(batch: TaskBatch) -> None:
    task = batch.tasks[0]
    assert task.slip.content_hash == content_hash({"title": "Sets", "description": "A tour."}, ["title", "description"])
    assert task.text == "Sets\n\nA tour."
    assert task.shown == ("a", "b")
    assert [each.source for each in task.slip.shown] == ["author", "author"]
    assert (batch.tags, len({each.slip.tag_set for each in batch.tasks})) == (("a", "b"), 1)
    assert batch.tasks[1].slip.project_id == "2"


def test_what_is_asked_stands_above_the_text_and_not_in_the_records_hash() -> None:
    record = Record(1, {"title": "Sets"}, ("a",), None)
    (plain,), (asking,) = (make_batch([record], ["title"], asked=asked).tasks for asked in (None, ["Is it?"]))
    assert (plain.text, asking.text) == ("Sets", "Is it?\n\nSets")
    assert plain.slip.content_hash == asking.slip.content_hash
    assert asking.slip.text_hash == text_hash(asking.text) != plain.slip.text_hash
    assert "asked" not in json.loads(write_slip(plain.slip))


def test_what_the_author_gave_stays_the_authors() -> None:
    record = Record(1, {"title": "x"}, ("b", "a"), None)
    suggested = [[ShownTag("c", "model", "v", 0.9), ShownTag("a", "model", "v", 0.1), ShownTag("d", "rule")]]
    shown = make_batch([record], ["title"], suggested=suggested).tasks[0].slip.shown
    assert [(each.tag, each.source, each.probability) for each in shown] == [
        ("b", "author", None),
        ("a", "author", 0.1),
        ("c", "model", 0.9),
        ("d", "rule", None),
    ]
