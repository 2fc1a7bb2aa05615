"""Near-identical texts, found exactly: Jaccard similarity of word 3-grams, joined through their rarest shingles.

Shapes: N texts, D different ones, M words of all of them, S shingles of all of them.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WORDS_IN_SHINGLE = 3
# Similarities are fractions of whole numbers: without a hair's breadth of slack 0.8 · 5 would round up to 5.
_SLACK = 1e-9


def duplicate_groups(texts: Sequence[str], similarity: float | None) -> NDArray[np.int64]:
    """Number the texts so that those that are alike, directly or over others between them, share a number.

    Texts are compared without regard to case and to the kind and amount of white space. The join is exact: two sets
    whose Jaccard similarity reaches the bound must share one of their rarest shingles (prefix filtering: Chaudhuri et
    al., ICDE 2006; Bayardo et al., WWW 2007), and every pair that does is compared in full. A shingle of one text alone
    is shared with none, and is not looked up.

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
    first_of_text: dict[bytes, int] = {}
    number_of_word: dict[str, int] = {}
    words, lengths, distinct = array("q"), array("q"), array("q")
    for text in texts:
        own = text.casefold().split()
        # A digest stands for the text: the texts themselves would be held a second time.
        digest = hashlib.blake2b(" ".join(own).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        number = first_of_text.setdefault(digest, len(lengths))
        if number == len(lengths):
            # From 1: 0 fills up a text of fewer words than a shingle has.
            words.extend([number_of_word.setdefault(word, len(number_of_word) + 1) for word in own])
            lengths.append(len(own))
        distinct.append(number)
    distinct_N = np.frombuffer(distinct, dtype=np.int64) if distinct else np.zeros(0, dtype=np.int64)
    if similarity is None or len(lengths) < 2:
        return distinct_N.copy()
    words_M = np.frombuffer(words, dtype=np.int64) if words else np.zeros(0, dtype=np.int64)
    shingles = _shingles(words_M, np.frombuffer(lengths, dtype=np.int64), len(number_of_word) + 1)
    return _renumber(_join_similar(shingles, similarity)[distinct_N])


@dataclass(frozen=True)
class _Shingles:
    """The shingles of D texts, each once, as numbers of which a lower one is a rarer shingle."""

    ranks_S: NDArray[np.int64]
    """Those of a text ascending."""
    starts: NDArray[np.int64]
    """(D + 1,): text d has ranks_S[starts[d]:starts[d + 1]]."""
    num_lonely: int
    """Ranks below it are of shingles that one text alone has."""

    def of(self, text: int) -> NDArray[np.int64]:
        """The ranks of a text."""
        return self.ranks_S[self.starts[text] : self.starts[text + 1]]


def _shingles(words_M: NDArray[np.int64], lengths_D: NDArray[np.int64], num_words: int) -> _Shingles:
    sizes_D = np.maximum(lengths_D - (_WORDS_IN_SHINGLE - 1), 1)
    text_S = np.repeat(np.arange(len(lengths_D)), sizes_D)
    starts_D = np.cumsum(lengths_D) - lengths_D
    within_S = np.arange(len(text_S)) - np.repeat(np.cumsum(sizes_D) - sizes_D, sizes_D)
    words = np.append(words_M, 0)
    keys_S = np.zeros(len(text_S), dtype=np.int64)
    for place in range(_WORDS_IN_SHINGLE):
        at = np.where(within_S + place < lengths_D[text_S], starts_D[text_S] + within_S + place, len(words_M))
        # Numbered anew after each word, so that the product of two numbers always fits into 63 bits.
        _, keys_S = np.unique(keys_S * num_words + words[at], return_inverse=True)
    order = np.lexsort((keys_S, text_S))
    text_S, keys_S = text_S[order], keys_S[order]
    new_S = np.ones(len(text_S), dtype=bool)
    new_S[1:] = (text_S[1:] != text_S[:-1]) | (keys_S[1:] != keys_S[:-1])
    text_S, keys_S = text_S[new_S], keys_S[new_S]
    counts = np.bincount(keys_S)
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    ranks_S = rank[keys_S]
    starts = np.concatenate([[0], np.cumsum(np.bincount(text_S, minlength=len(lengths_D)))])
    return _Shingles(ranks_S[np.lexsort((ranks_S, text_S))], starts, int((counts == 1).sum()))


def _join_similar(shingles: _Shingles, similarity: float) -> NDArray[np.int64]:
    """The smallest number among the texts that each text is joined with, itself among them: (D,)."""
    sizes_D = np.diff(shingles.starts)
    parent = list(range(len(sizes_D)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    # From small to large: a set only meets earlier ones, none of them larger than itself.
    seen: dict[int, list[int]] = {}
    sizes = sizes_D.tolist()
    for number in np.argsort(sizes_D, kind="stable").tolist():
        size = sizes[number]
        least = math.ceil(similarity * size - _SLACK)
        start = int(shingles.starts[number])
        prefix = [
            each for each in shingles.ranks_S[start : start + size - least + 1].tolist() if each >= shingles.num_lonely
        ]
        candidates = {other for shingle in prefix for other in seen.get(shingle, ()) if sizes[other] >= least}
        own = set(shingles.of(number).tolist()) if candidates else set()
        for other in candidates:
            ours, theirs = root(number), root(other)
            if ours == theirs:
                continue
            shared = len(own.intersection(shingles.of(other).tolist()))
            if shared >= similarity * (size + sizes[other] - shared) - _SLACK:
                parent[max(ours, theirs)] = min(ours, theirs)
        for shingle in prefix:
            seen.setdefault(shingle, []).append(number)
    return np.asarray([root(number) for number in range(len(parent))], dtype=np.int64)


def _renumber(groups_N: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first, inverse = np.unique(groups_N, return_index=True, return_inverse=True)
    order = np.empty(len(first), dtype=np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return np.asarray(order[inverse], dtype=np.int64)
