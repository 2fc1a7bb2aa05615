"""Texts as sets of word 3-grams (shingles): numbers in flat arrays, for millions of texts.

Shapes: N texts, D different ones, M words of all of them, S shingles of all of them.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from tagnet.records.ragged import Ints, UInts, sort_rows, starts_of, take_rows

_WORDS = 3
"""Words of a shingle."""
_NO_WORD = 0
"""Fills up texts of fewer words than a shingle has."""
_MOST_SLOTS = 2**24
"""Of the table that counts how common shingles are."""
_HASH_BITS = 48
"""Of a shingle's number; the bits above say how common it is."""


@dataclass(frozen=True, eq=False)
class Shingles:
    """The shingles of D texts."""

    ranks_S: UInts
    """Those of a text ascending, each once, at least one. Equal where the shingle is; a rarer one has a lower rank."""
    starts: Ints
    """(D + 1,): text d has ranks_S[starts[d]:starts[d + 1]]."""

    @property
    def sizes_D(self) -> Ints:
        """How many different shingles each text has."""
        return np.diff(self.starts)


def words_of_texts(texts: Sequence[str]) -> tuple[Ints, Ints, Ints]:
    """The words of the different texts, without regard to case and white space.

    Returns:
        The number of each text (N,), from 0 in the order of first appearance, equal where the texts are; the words of
        each different text as numbers (M,), at least three a text; and where they start (D + 1,).

    >>> words_of_texts(["b  a B c", "a", "B A b C"])
    (array([0, 1, 0]), array([1, 2, 1, 3, 2, 0, 0]), array([0, 4, 7]))
    """
    number_of_word: defaultdict[str, int] = defaultdict(count(1).__next__)
    flat, lengths = array("i"), array("i")
    for text in texts:
        words = text.casefold().split()
        flat.extend(map(number_of_word.__getitem__, words))
        missing = _WORDS - len(words)
        if missing > 0:
            flat.extend([_NO_WORD] * missing)
        lengths.append(max(len(words), _WORDS))
    words_M = np.asarray(flat, dtype=np.int64)
    starts = starts_of(np.asarray(lengths, dtype=np.int64))
    if not len(texts):
        return np.zeros(0, dtype=np.int64), words_M, starts
    # 64 bits stand for a text: of a million texts, two different ones have the same once in thirty million times.
    place_M = np.arange(len(words_M)) - np.repeat(starts[:-1], np.diff(starts))
    marks_M = mix(mix(place_M.astype(np.uint64) + np.uint64(1)) + words_M.astype(np.uint64))
    _, first, inverse = np.unique(np.add.reduceat(marks_M, starts[:-1]), return_index=True, return_inverse=True)
    number = np.empty(len(first), dtype=np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    words_of, starts_of_words = take_rows(words_M, starts, np.sort(first))
    return number[inverse], words_of, starts_of_words


def shingles_of(words_M: Ints, starts: Ints) -> Shingles:
    """The sets of shingles of D texts, from `words_of_texts`.

    A shingle is 64 bits: of forty million, a handful share theirs with another.
    """
    keys_M = mix(words_M.astype(np.uint64))
    for place in range(1, _WORDS):
        later_M = np.zeros(len(words_M), dtype=np.uint64)
        later_M[:-place] = words_M[place:]
        keys_M = mix(keys_M + later_M)
    begins_M = np.ones(len(words_M), dtype=bool)
    for place in range(1, _WORDS):
        begins_M[starts[1:] - place] = False
    keys_S = keys_M[begins_M]
    del keys_M
    starts_S = starts - (_WORDS - 1) * np.arange(len(starts))
    ranks_S = _rarest_first(keys_S)
    sort_rows(ranks_S, starts_S)
    new_S = np.ones(len(ranks_S), dtype=bool)
    new_S[1:] = ranks_S[1:] != ranks_S[:-1]
    new_S[starts_S[:-1]] = True
    return Shingles(ranks_S[new_S], starts_of(np.add.reduceat(new_S, starts_S[:-1], dtype=np.int64)))


def _rarest_first(keys_S: UInts) -> UInts:
    # Shingles that meet in a slot are counted together: the order need only be the same for all texts.
    bits = max(8, min(_MOST_SLOTS, 4 * len(keys_S)).bit_length() - 1)
    slots_S = (keys_S >> np.uint64(64 - bits)).astype(np.int64)
    counts = np.bincount(slots_S)
    common_S = np.minimum(counts, 2 ** (64 - _HASH_BITS) - 1)[slots_S].astype(np.uint64)
    ranks_S: UInts = (common_S << np.uint64(_HASH_BITS)) | (keys_S >> np.uint64(64 - _HASH_BITS))
    return ranks_S


def mix(numbers: UInts) -> UInts:
    """Numbers whose bits all depend on all bits of the given ones (the finalizer of SplitMix64, Steele et al., 2014).

    One to one.
    """
    mixed = numbers ^ (numbers >> np.uint64(30))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed
