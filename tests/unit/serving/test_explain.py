"""Parts of a text, and what falls without them."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tagnet.serving.explain import parts_of, questions, weights, without

TEXTS = st.dictionaries(st.sampled_from(["title", "description"]), st.text(max_size=200), min_size=1)


@given(TEXTS, st.integers(2, 12))
def test_parts_lie_where_they_say_and_are_few_enough(fields: dict[str, str], most: int) -> None:
    parts = parts_of(fields, most)
    assert len(parts) <= most
    for part in parts:
        assert fields[part.feature][part.start : part.end] == part.text != ""
        left = without(fields, part)
        assert len(left[part.feature]) == len(fields[part.feature]) - len(part.text)
    for a, b in itertools.pairwise(parts):
        assert a.feature != b.feature or a.end <= b.start


def test_one_question_a_part_after_the_whole() -> None:
    fields = {"title": "a b"}
    assert questions(fields, parts_of(fields, 9)) == [{"title": "a b"}, {"title": " b"}, {"title": "a "}]


def test_weights_stay_finite() -> None:
    fall = weights(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]), [1, 0])
    assert np.isfinite(fall).all()
    np.testing.assert_allclose(fall[0], [-27.631019, 27.631019], rtol=1e-6)
    np.testing.assert_allclose(fall[1], 0)
