from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagnet.data import duplicates
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


def resampled(num_texts: int, replaced: float, seed: int = 0, num_sources: int = 40) -> list[str]:
    """Texts of thirty words after a few sources, some of whose words are replaced."""
    random = np.random.default_rng(seed)
    words = np.array([f"w{number}" for number in range(400)])
    sources = random.choice(words, (num_sources, 30))
    texts = []
    for source in random.integers(num_sources, size=num_texts):
        changed = random.random(30) < replaced
        texts.append(" ".join(np.where(changed, random.choice(words, 30), sources[source])))
    return texts


@pytest.mark.parametrize(("replaced", "similarity"), [(0.03, 0.8), (0.1, 0.5), (0.1, 0.3)])
def test_crowded_shingles_lose_no_pair(monkeypatch: pytest.MonkeyPatch, replaced: float, similarity: float) -> None:
    texts = resampled(250, replaced, num_sources=6)
    expected = brute_force(texts, similarity)
    assert 6 < len(set(expected)) < 250
    banded: list[int] = []
    bands = duplicates._bands

    def record(shingles: Any, texts: Any, bound: float) -> Any:
        banded.append(len(texts))
        return bands(shingles, texts, bound)

    monkeypatch.setattr(duplicates, "MOST_IN_LIST", 8)
    monkeypatch.setattr(duplicates, "_bands", record)
    assert duplicate_groups(texts, similarity).tolist() == expected
    assert banded[0] > 100, "nothing was left to the bands"


def test_twice_the_texts_are_twice_the_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A count instead of a time: pairs that are looked at, and pairs that are compared in full."""
    looked: list[int] = []
    compared: list[int] = []
    alike, shared = duplicates._alike, duplicates._shared

    def count_looked(*given: Any) -> Any:
        looked[-1] += len(given[3])
        return alike(*given)

    def count_compared(shingles: Any, pairs_P2: Any) -> Any:
        compared[-1] += len(pairs_P2)
        return shared(shingles, pairs_P2)

    monkeypatch.setattr(duplicates, "_alike", count_looked)
    monkeypatch.setattr(duplicates, "_shared", count_compared)
    monkeypatch.setattr(duplicates, "MOST_IN_LIST", 16)
    # 100, 200 and 400 texts a source: comparing all of a source would look at four times as many pairs each time.
    for num_texts in (4000, 8000, 16000):
        looked.append(0)
        compared.append(0)
        duplicate_groups(resampled(num_texts, 0.03), 0.8)
        assert 0 < looked[-1] <= 100 * num_texts
        assert 0 < compared[-1] <= 4 * num_texts
    assert looked[-1] <= 2.5 * looked[-2]
