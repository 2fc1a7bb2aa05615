"""Near-identical texts: Jaccard similarity of word 3-grams (shingles), at a cost that grows as the texts do.

Shapes: N texts, D different ones, P pairs of texts, E entries of lists of texts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tagnet.data.shingles import Shingles, mix, shingles_of, words_of_texts
from tagnet.records.ragged import Ints, UInts, sort_rows, starts_of, take_rows

MOST_IN_LIST = 128
"""All texts of a list are compared with each other up to this many."""
_MISSED = 1e-6
"""How likely two texts whose similarity is the bound share no band."""
_FINER = 3
"""Hashes that put the texts of a band in order."""
_AT_ONCE = 2**22
"""Shingles that are compared at once."""
_IN_CACHE = 2**16
"""Shingles that are hashed at once."""
# Similarities are fractions of whole numbers: without a hair's breadth of slack 0.8 · 5 would round up to 5.
_SLACK = 1e-9


def duplicate_groups(texts: Sequence[str], similarity: float | None) -> NDArray[np.int64]:
    """Number the texts so that those that are alike, directly or over others between them, share a number.

    Texts are compared without regard to case and to the kind and amount of white space. Two sets whose Jaccard
    similarity reaches the bound must share one of their rarest shingles (prefix filtering: Chaudhuri et al., ICDE 2006;
    Bayardo et al., WWW 2007), so all texts that share one are compared. That is exact, but where very many share one it
    takes the square of their number. Texts with a shingle that is among the rarest of over 128 texts are therefore
    compared where they share a band of MinHash values (Broder, 1997; Leskovec et al., Mining of Massive Datasets,
    section 3.4); one pair in a million at the bound shares none. Where over 128 texts share a band too, those are
    compared that share the most hashes beyond it (Bawa et al., WWW 2005), and a pair may be missed. Two texts that are
    compared are never taken for alike unless they are.

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
    number_N, words_M, starts = words_of_texts(texts)
    if similarity is None or len(starts) < 3:
        return number_N
    shingles = shingles_of(words_M, starts)
    del words_M, starts
    return _renumber(_join_similar(shingles, similarity)[number_N])


def _join_similar(shingles: Shingles, similarity: float) -> Ints:
    """A number for each text, (D,), equal where texts are joined."""
    marks_D = _marks(shingles)
    group_D = np.arange(len(shingles.sizes_D))
    ranks_E, text_E = _rarest(shingles, similarity)
    for first_P, second_P in pairs_of_lists(ranks_E, text_E):
        group_D = _join(group_D, *_alike(shingles, marks_D, group_D, first_P, second_P, similarity))
    crowded_D = np.zeros(len(group_D), dtype=bool)
    crowded_D[text_E[_list_sizes(ranks_E) > MOST_IN_LIST]] = True
    crowded = np.flatnonzero(crowded_D)
    for band_T, finer_T in _bands(shingles, crowded, similarity):
        # Where over 128 texts share a band, those stand near each other that share more hashes.
        order = np.lexsort((*finer_T, band_T))
        for first_P, second_P in pairs_of_lists(band_T[order], crowded[order], cut=True):
            group_D = _join(group_D, *_alike(shingles, marks_D, group_D, first_P, second_P, similarity))
    return group_D


def _marks(shingles: Shingles) -> UInts:
    """64 bits of each text, in which two texts differ at most as often as in their shingles."""
    return np.bitwise_xor.reduceat(np.uint64(1) << (shingles.ranks_S & np.uint64(63)), shingles.starts[:-1])


def _rarest(shingles: Shingles, similarity: float) -> tuple[UInts, Ints]:
    """The rarest shingles of each text, of which similar texts share one: ranks and texts, by rank."""
    sizes_D = shingles.sizes_D
    prefix_D = sizes_D - np.ceil(similarity * sizes_D - _SLACK).astype(np.int64) + 1
    starts = starts_of(prefix_D)
    places = np.arange(starts[-1]) + np.repeat(shingles.starts[:-1] - starts[:-1], prefix_D)
    ranks_E, text_E = shingles.ranks_S[places], np.repeat(np.arange(len(sizes_D)), prefix_D)
    order = np.argsort(ranks_E, kind="stable")
    ranks_E, text_E = ranks_E[order], text_E[order]
    shared_E = _list_sizes(ranks_E) > 1
    return ranks_E[shared_E], text_E[shared_E]


def _list_sizes(keys_E: UInts) -> Ints:
    """How many entries have the key of each, (E,); equal keys stand together."""
    if not len(keys_E):
        return np.zeros(0, dtype=np.int64)
    firsts = np.flatnonzero(np.append(True, keys_E[1:] != keys_E[:-1]))
    sizes = np.diff(np.append(firsts, len(keys_E)))
    return np.repeat(sizes, sizes)


def pairs_of_lists(keys_E: UInts, text_E: Ints, *, cut: bool = False) -> Iterator[tuple[Ints, Ints]]:
    """All pairs of texts with the same key, less than 128 times as many as entries.

    Args:
        keys_E: equal ones stand together.
        text_E: the text of each.
        cut: of a list of over 128 texts, take those pairs that stand near each other; else none.

    >>> [(a.tolist(), b.tolist()) for a, b in pairs_of_lists(np.array([3, 3, 3, 5], np.uint64), np.array([4, 6, 9, 4]))]
    [([4, 6], [6, 9]), ([4], [9])]
    """
    here = np.arange(len(keys_E)) if cut else np.flatnonzero(_list_sizes(keys_E) <= MOST_IN_LIST)
    for shift in range(1, MOST_IN_LIST):
        here = here[here < len(keys_E) - shift]
        here = here[keys_E[here + shift] == keys_E[here]]
        if not len(here):
            return
        yield text_E[here], text_E[here + shift]


def _alike(
    shingles: Shingles, marks_D: UInts, group_D: Ints, first_P: Ints, second_P: Ints, similarity: float
) -> tuple[Ints, Ints]:
    """Those of the pairs that are alike and not joined yet."""
    sizes_D = shingles.sizes_D
    apart_P = group_D[first_P] != group_D[second_P]
    first_P, second_P = first_P[apart_P], second_P[apart_P]
    ours_P, theirs_P = sizes_D[first_P], sizes_D[second_P]
    # Of all shingles of both, at most this many can be of one alone; of the bits, no more than these.
    most_P = (1 - similarity) / (1 + similarity) * (ours_P + theirs_P) + 1e-6
    bits_P = np.bitwise_count(marks_D[first_P] ^ marks_D[second_P])
    possible_P = (bits_P <= most_P) & (np.abs(ours_P - theirs_P) <= most_P)
    pairs = np.unique(np.stack([first_P[possible_P], second_P[possible_P]], axis=1), axis=0)
    pairs = pairs[np.argsort(sizes_D[pairs].sum(1), kind="stable")]
    found = [np.zeros((0, 2), dtype=np.int64)]
    ends = np.cumsum(sizes_D[pairs].sum(1)) // _AT_ONCE
    for part in np.split(pairs, np.flatnonzero(np.diff(ends)) + 1):
        shared_P = _shared(shingles, part)
        found.append(part[shared_P >= similarity * (sizes_D[part].sum(1) - shared_P) - _SLACK])
    joined = np.concatenate(found)
    return joined[:, 0], joined[:, 1]


def _shared(shingles: Shingles, pairs_P2: Ints) -> Ints:
    """How many shingles the two texts of each pair share, (P,)."""
    if not len(pairs_P2):
        return np.zeros(0, dtype=np.int64)
    ranks, starts = take_rows(shingles.ranks_S, shingles.starts, pairs_P2.ravel())
    starts = starts[::2]
    sort_rows(ranks, starts)
    twice = np.append(False, ranks[1:] == ranks[:-1])
    twice[starts[:-1]] = False
    return np.add.reduceat(twice, starts[:-1], dtype=np.int64)


def _join(group_D: Ints, first_P: Ints, second_P: Ints) -> Ints:
    """The groups with those of each pair put together."""
    if not len(first_P):
        return group_D
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = (group_D[first_P], group_D[second_P])
    graph = coo_array((np.ones(len(first_P), dtype=bool), edges), shape=(len(group_D), len(group_D)))
    _, component_D = connected_components(graph, directed=False)
    return np.asarray(component_D[group_D], dtype=np.int64)


def _bands(shingles: Shingles, texts: Ints, similarity: float) -> Iterator[tuple[UInts, UInts]]:
    """Bands of MinHash values of T texts, each by other hashes.

    Yields:
        Numbers (T,) that are equal with probability J^r where the similarity is J; more hashes, (H, T), by which those
        of equal numbers can be ordered.
    """
    if not len(texts):
        return
    rows = 3 if similarity >= 0.7 else 2 if similarity >= 0.4 else 1
    share = min(similarity**rows, 1 - _MISSED)
    ranks, starts = take_rows(shingles.ranks_S, shingles.starts, texts)
    edges = np.append(np.unique(starts[:-1] // _IN_CACHE, return_index=True)[1], len(texts)).tolist()
    num_hashes = rows + _FINER
    for band in range(math.ceil(math.log(_MISSED) / math.log1p(-share))):
        drawn = mix(np.arange(1, 2 * num_hashes + 1, dtype=np.uint64) + np.uint64(2 * num_hashes * band))
        least_HT = np.empty((num_hashes, len(texts)), dtype=np.uint64)
        for begin, end in pairwise(edges):
            part, offsets = ranks[starts[begin] : starts[end]], starts[begin:end] - starts[begin]
            for hashed, (flip, factor) in enumerate(drawn.reshape(num_hashes, 2)):
                least_HT[hashed, begin:end] = np.minimum.reduceat((part ^ flip) * (factor | np.uint64(1)), offsets)
        band_T = np.zeros(len(texts), dtype=np.uint64)
        for least_T in least_HT[:rows]:
            band_T = mix(band_T + least_T)
        yield band_T, least_HT[rows:]


def _renumber(groups_N: Ints) -> Ints:
    _, first, inverse = np.unique(groups_N, return_index=True, return_inverse=True)
    order = np.empty(len(first), dtype=np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return np.asarray(order[inverse], dtype=np.int64)
