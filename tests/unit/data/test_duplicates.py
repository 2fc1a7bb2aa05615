from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagnet.data.duplicates import duplicate_groups


def brute_force(texts: list[str], similarity: float) -> list[int]:
    """Every pair compared, groups merged until nothing changes."""
    sets = []
    for text in texts:
        words = text.casefold().split()
        sets.append({tuple(words[i : i + 3]) for i in range(max(1, len(words) - 2))})
    groups = list(range(len(texts)))
    for a, first in enumerate(sets):
        for b, second in enumerate(sets[:a]):
            if len(first & second) >= similarity * len(first | second) - 1e-9:
                old, new = max(groups[a], groups[b]), min(groups[a], groups[b])
                groups = [new if group == old else group for group in groups]
    order = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    return [order[group] for group in groups]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("abc"), max_size=9).map(" ".join), max_size=9),
    st.sampled_from([0.1, 0.25, 1 / 3, 0.5, 0.75, 0.8, 1.0]),
)
def test_finds_what_comparing_every_pair_finds(texts: list[str], similarity: float) -> None:
    assert duplicate_groups(texts, similarity).tolist() == brute_force(texts, similarity)


def test_without_a_similarity_only_identical_texts_are_alike() -> None:
    texts = ["One  two\tthree four", "one two three four five", "ONE TWO THREE FOUR", "", " "]
    assert duplicate_groups(texts, None).tolist() == [0, 1, 0, 2, 2]


@pytest.mark.parametrize(("similarity", "groups"), [(0.8, [0, 0]), (0.801, [0, 1])])
def test_the_bound_itself_counts_as_alike(similarity: float, groups: list[int]) -> None:
    six, seven = "a b c d e f", "a b c d e f g"  # 4 shingles of 5
    assert duplicate_groups([six, seven], similarity).tolist() == groups


def test_likeness_is_passed_on() -> None:
    words = list("abcdefghijkl")
    texts = [" ".join(words[start : start + 8]) for start in range(4)]
    assert duplicate_groups([texts[0], texts[3]], 0.7).tolist() == [0, 1]
    assert duplicate_groups(texts, 0.7).tolist() == [0, 0, 0, 0]


def test_no_texts() -> None:
    groups = duplicate_groups([], 0.8)
    assert groups.shape == (0,)
    assert groups.dtype == np.int64
