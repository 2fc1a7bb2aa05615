"""Near-identical texts, found exactly: Jaccard similarity of word 3-grams, joined through their rarest shingles."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

_WORDS_IN_SHINGLE = 3
# Similarities are fractions of whole numbers: without a hair's breadth of slack 0.8 · 5 would round up to 5.
_SLACK = 1e-9


def duplicate_groups(texts: Sequence[str], similarity: float | None) -> NDArray[np.int64]:
    """Number the texts so that those that are alike, directly or over others between them, share a number.

    Texts are compared without regard to case and to the kind and amount of white space. The join is exact: two sets
    whose Jaccard similarity reaches the bound must share one of their rarest shingles (prefix filtering: Chaudhuri et
    al., ICDE 2006; Bayardo et al., WWW 2007), and every pair that does is compared in full.

    Args:
        texts: N texts.
        similarity: the least Jaccard similarity, in (0, 1], of the word 3-grams of two texts that are alike; a text
            of fewer words is one shingle. None: only identical texts are.

    Returns:
        The group of each text: (N,), numbered from 0 in the order of first appearance.

    >>> duplicate_groups(["Fast BERT  in C", "a map of maps", "fast bert in c"], None).tolist()
    [0, 1, 0]
    >>> duplicate_groups(["one two three four five six", "one two three four five"], 0.75).tolist()
    [0, 0]
    """
    first_of_text: dict[str, int] = {}
    words_of: list[list[str]] = []
    distinct_N = []
    for text in texts:
        words = text.casefold().split()
        number = first_of_text.setdefault(" ".join(words), len(words_of))
        if number == len(words_of):
            words_of.append(words)
        distinct_N.append(number)
    distinct = np.asarray(distinct_N, dtype=np.int64)
    if similarity is None or len(words_of) < 2:
        return distinct
    return _renumber(_join_similar(_rarest_first([_shingles(words) for words in words_of]), similarity)[distinct])


def _shingles(words: list[str]) -> set[tuple[str, ...]]:
    if len(words) <= _WORDS_IN_SHINGLE:
        return {tuple(words)}
    return set(zip(words, words[1:], words[2:], strict=False))


def _rarest_first(shingles_of: Sequence[set[tuple[str, ...]]]) -> list[list[int]]:
    """Each set as numbers in ascending order, where a lower number is a rarer shingle."""
    counts = Counter(chain.from_iterable(shingles_of))
    # Ties are broken by the shingle itself: the order of a set of strings changes from process to process.
    rank = {shingle: number for number, (_, shingle) in enumerate(sorted((n, s) for s, n in counts.items()))}
    return [sorted(rank[shingle] for shingle in shingles) for shingles in shingles_of]


def _join_similar(sets: Sequence[list[int]], similarity: float) -> NDArray[np.int64]:
    """The smallest number among the sets that each set is joined with, itself among them."""
    parent = list(range(len(sets)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    # From small to large: a set only meets earlier ones, none of them larger than itself.
    seen: dict[int, list[int]] = {}
    for number in sorted(range(len(sets)), key=lambda n: (len(sets[n]), n)):
        members = sets[number]
        size = len(members)
        least = math.ceil(similarity * size - _SLACK)
        prefix = members[: size - least + 1]
        candidates = {other for shingle in prefix for other in seen.get(shingle, ()) if len(sets[other]) >= least}
        own = set(members) if candidates else set()
        for other in candidates:
            ours, theirs = root(number), root(other)
            if ours == theirs:
                continue
            shared = len(own.intersection(sets[other]))
            if shared >= similarity * (size + len(sets[other]) - shared) - _SLACK:
                parent[max(ours, theirs)] = min(ours, theirs)
        for shingle in prefix:
            seen.setdefault(shingle, []).append(number)
    return np.asarray([root(number) for number in range(len(sets))], dtype=np.int64)


def _renumber(groups_N: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first, inverse = np.unique(groups_N, return_index=True, return_inverse=True)
    order = np.empty(len(first), dtype=np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return np.asarray(order[inverse], dtype=np.int64)
