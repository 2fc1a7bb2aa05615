from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tagnet.records.record import Record, content_hash, render, text_template

NAMES = st.sampled_from(["title", "description", "0", "read me", "café"])


@given(st.lists(NAMES, min_size=1, unique=True), st.dictionaries(NAMES, st.text()))
def test_render_joins_the_fields_by_blanks_whatever_they_hold(features: list[str], fields: dict[str, str]) -> None:
    assert render(text_template(features), fields) == " ".join(fields.get(name, "") for name in features).strip()


def test_render_looks_up_plain_names_only() -> None:
    assert render("a {title.__class__} b", {"title": "x"}) == "a  b"


def test_render_keeps_the_text_around_the_names() -> None:
    assert render("{title}: {{{body}}}", {"title": "a", "body": "b"}) == "a: {b}"


FIELDS = st.fixed_dictionaries({"title": st.text(), "description": st.text()})


@given(FIELDS, FIELDS)
def test_content_hash_is_equal_exactly_when_the_fields_are(a: dict[str, str], b: dict[str, str]) -> None:
    features = ["title", "description"]
    assert (content_hash(a, features) == content_hash(b, features)) == (a == b)


def test_content_hash_of_a_record_sees_its_features_only() -> None:
    first = Record(1, {"title": "a", "other": "x"}, ("t",), None)
    second = Record(2, {"title": "a", "other": "y"}, (), None)
    assert content_hash(first, ["title"]) == content_hash(second, ["title"]) == content_hash({"title": "a"}, ["title"])
    assert content_hash(first, ["title", "other"]) != content_hash(second, ["title", "other"])


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Record(1, {}, (), None).id = 2  # type: ignore[misc]
