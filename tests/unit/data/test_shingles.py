"""Shingles in arrays are the sets that Python would make."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tagnet.data.shingles import mix, shingles_of, words_of_texts

TEXTS = st.lists(st.lists(st.sampled_from(["a", "B", "b", "c"]), max_size=9).map(" ".join), min_size=1, max_size=12)


@given(TEXTS)
def test_texts_with_the_same_words_share_a_number(texts: list[str]) -> None:
    number_N, words_M, starts = words_of_texts(texts)
    plain = [tuple(text.casefold().split()) for text in texts]
    first = {words: number for number, words in enumerate(dict.fromkeys(plain))}
    assert number_N.tolist() == [first[words] for words in plain]
    assert [len(words_M[a:b]) for a, b in pairwise(starts)] == [max(3, len(w)) for w in first]


@given(TEXTS)
def test_two_texts_share_as_many_shingles_as_their_sets_do(texts: list[str]) -> None:
    number_N, words_M, starts = words_of_texts(texts)
    shingles = shingles_of(words_M, starts)
    rows = [shingles.ranks_S[a:b] for a, b in pairwise(shingles.starts)]
    sets = []
    for text in texts:
        words = text.casefold().split()
        sets.append({tuple(words[i : i + 3]) for i in range(max(1, len(words) - 2))})
    for one, ours in zip(number_N, sets, strict=True):
        assert (np.diff(rows[one].astype(np.float64)) >= 0).all()
        for other, theirs in zip(number_N, sets, strict=True):
            assert len(np.intersect1d(rows[one], rows[other])) == len(ours & theirs)


def test_a_rarer_shingle_comes_first() -> None:
    _, words_M, starts = words_of_texts(["x y z a b c", "a b c", "a b c d"])
    shingles = shingles_of(words_M, starts)
    common = shingles.ranks_S[shingles.starts[1]]  # the only shingle of "a b c"
    assert shingles.ranks_S[: shingles.starts[1]].max() == common


def test_mixing_is_one_to_one_and_spreads_small_numbers() -> None:
    mixed = mix(np.arange(2**16, dtype=np.uint64))
    assert len(np.unique(mixed)) == 2**16
    high = np.bincount((mixed >> np.uint64(60)).astype(np.int64), minlength=16)
    assert abs(high - 2**12).max() < 400
