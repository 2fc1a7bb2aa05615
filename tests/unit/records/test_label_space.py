from __future__ import annotations

from typing import Literal

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tagnet.config import LabelsConfig
from tagnet.errors import LabelSpaceError
from tagnet.records.label_space import LabelSpace, build_label_space, count_tags, unknown_tag_warnings

TAG_LISTS = st.lists(st.lists(st.sampled_from(["b", "a ", "A", "ä", ""])), max_size=12)


def labels(
    min_count: int = 1,
    include: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
    untagged: Literal["drop", "negative"] = "drop",
) -> LabelsConfig:
    return LabelsConfig(
        min_count=min_count,
        include=include,
        exclude=exclude,
        untagged=untagged,
        add_parents=False,
        resolve_aliases=True,
    )


@given(TAG_LISTS, st.integers(1, 4))
def test_it_holds_the_tags_that_enough_records_bear(tag_lists: list[list[str]], min_count: int) -> None:
    enough = [tag for tag in sorted({"b", "a ", "A", "ä", ""}) if sum(tag in tags for tags in tag_lists) >= min_count]
    if enough:
        assert build_label_space(tag_lists, labels(min_count)).tags == tuple(enough)
    else:
        with pytest.raises(LabelSpaceError):
            build_label_space(tag_lists, labels(min_count))


@given(TAG_LISTS)
def test_decode_undoes_encode_for_tags_inside(tag_lists: list[list[str]]) -> None:
    space = LabelSpace(("", "A", "b"))
    y_NK = space.encode(tag_lists)
    assert y_NK.shape == (len(tag_lists), 3)
    assert y_NK.dtype == np.uint8
    assert space.decode(y_NK) == [tuple(sorted({*tags} & {"", "A", "b"})) for tags in tag_lists]


def test_include_and_exclude_stand_above_the_count() -> None:
    tag_lists = [["a", "rare"], ["a", "loud"], ["loud"]]
    space = build_label_space(tag_lists, labels(2, include=("rare", "unheard"), exclude=("loud",)))
    assert space.tags == ("a", "rare")


def test_columns_and_membership() -> None:
    space = LabelSpace(("cnn", "gan"))
    assert (len(space), space.index_of("gan"), "gan" in space, "rnn" in space) == (2, 1, True, False)
    assert LabelSpace.from_plain(space.to_plain()) == space
    with pytest.raises(LabelSpaceError, match="'gans' is none of the 2 tags; did you mean gan"):
        space.index_of("gans")


@pytest.mark.parametrize("tags", [["b", "a"], ["a", "a"]])
def test_tags_out_of_order_or_repeated_are_refused(tags: list[str]) -> None:
    with pytest.raises(LabelSpaceError, match="each tag once, sorted"):
        LabelSpace.from_plain(tags)


def test_no_tag_above_the_minimum_names_the_commonest() -> None:
    message = "no tag has at least 10 records; the commonest is 'b' with 2; lower labels.min_count to at most 2"
    with pytest.raises(LabelSpaceError, match=message):
        build_label_space([["a", "b"], ["b"], ["c"]], labels(10))


def test_no_tag_at_all_says_so() -> None:
    with pytest.raises(LabelSpaceError, match="none of the 2 records bears a tag") as caught:
        build_label_space([["a"], []], labels(exclude=("a",)))
    assert str(caught.value).count("\n") < 3


def test_a_record_counts_once_a_tag() -> None:
    assert count_tags([["a", "a"], ["a", "b"]]) == {"a": 2, "b": 1}


def test_names_nobody_bears_are_warned_about() -> None:
    config = labels(include=("pytorchh", "a"), exclude=("qa", "zzz"))
    assert unknown_tag_warnings(config, ["a", "pytorch"], {"qa": "it is an alias"}) == [
        "labels.include names 'pytorchh', which no record bears; did you mean pytorch?",
        "labels.exclude names 'qa', which no record bears: it is an alias",
        "labels.exclude names 'zzz', which no record bears",
    ]
