"""What records have in common: the conditions that slices are made of, found without being asked for. N records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagnet.evaluation.slices.judged import Judged
from tagnet.records.plain_words import plain_words
from tagnet.records.taxonomy import Taxonomy

Mask = NDArray[np.bool_]

_MOST_VALUES = 20
"""A column with more different values is text."""
_MOST_WORDS = 150
_NUM_CLUSTERS = (8, 16)
_DIMENSIONS = 50
_DATE_STEPS = 8


@dataclass(frozen=True, eq=False)
class Condition:
    """A condition, and the records that meet it."""

    kind: str
    """tag, parent, suggested, length, missing, date, column, unknown words, word, or neighbourhood."""
    name: str
    member_N: Mask
    columns: tuple[int, ...] = ()
    """Tags by which the records were chosen, as they truly are. Their cells say nothing of how good the model is there:
    records that bear a tag went worse in that cell than the model thought possible, by being chosen."""


def automatic_conditions(
    judged: Judged,
    *,
    taxonomy: Taxonomy | None = None,
    known_words: frozenset[str] | None = None,
    min_size: int = 10,
    seed: int = 0,
) -> list[Condition]:
    """All conditions that at least `min_size` records meet, and as many do not, each set of records once.

    Args:
        judged: N records.
        taxonomy: where parents come from.
        known_words: the words of the training texts, by `words_of`; None: there is no condition of unknown words.
        min_size: unit: records.
        seed: of the neighbourhoods.
    """
    found: dict[bytes, Condition] = {}
    for condition in _all(judged, taxonomy, known_words, seed):
        size = int(condition.member_N.sum())
        if min_size <= size <= len(judged.ids) - min_size:
            found.setdefault(np.packbits(condition.member_N).tobytes(), condition)
    return list(found.values())


def words_of(texts: Sequence[str]) -> frozenset[str]:
    """The different words of texts, in folded case."""
    return frozenset(word for text in texts for word in plain_words(text).split())


def _all(
    judged: Judged, taxonomy: Taxonomy | None, known_words: frozenset[str] | None, seed: int
) -> Iterator[Condition]:
    yield from _tag_conditions(judged, taxonomy)
    words = [plain_words(text).split() for text in judged.texts]
    yield from _quartiles("length", "words in the text", np.array([len(each) for each in words], dtype=np.float64))
    yield from _field_conditions(judged)
    yield from _date_conditions(judged)
    if known_words is not None:
        unknown_N = [np.mean([word not in known_words for word in each]) if each else 0.0 for each in words]
        yield from _quartiles("unknown words", "share of words unknown to training", np.array(unknown_N))
    yield from _word_conditions(words)
    yield from _neighbourhoods(judged.texts, seed)


def _tag_conditions(judged: Judged, taxonomy: Taxonomy | None) -> Iterator[Condition]:
    y_NK = judged.y_NK if judged.known_NK is None else judged.y_NK * judged.known_NK
    for k, tag in enumerate(judged.tags):
        yield Condition("tag", f"bears {tag}", y_NK[:, k] > 0, (k,))
        yield Condition("suggested", f"is given {tag}", judged.accepted_NK[:, k])
    if taxonomy is not None:
        for parent in taxonomy.tags:
            below = [k for k, tag in enumerate(judged.tags) if _is_below(taxonomy, tag, parent)]
            if below:
                yield Condition(
                    "parent", f"bears a tag below {parent}", np.asarray(y_NK[:, below].any(1)), tuple(below)
                )
    number_N = judged.accepted_NK.sum(1)
    for number in (0, 1, 2, 3):
        yield Condition("suggested", f"is given {number} tag{'s' * (number != 1)}", number_N == number)
    yield Condition("suggested", "is given 4 tags or more", number_N >= 4)


def _is_below(taxonomy: Taxonomy, tag: str, parent: str) -> bool:
    return taxonomy.resolve(tag, aliases=False) is not None and parent in taxonomy.ancestors(tag)


def _quartiles(kind: str, what: str, value_N: NDArray[np.float64]) -> Iterator[Condition]:
    if not len(value_N):
        return
    low, middle, high = np.quantile(value_N, [0.25, 0.5, 0.75])
    tenth, most = np.quantile(value_N, [0.1, 0.9])
    yield Condition(kind, f"{what} ≤ {tenth:.3g}", value_N <= tenth)
    yield Condition(kind, f"{what} ≤ {low:.3g}", value_N <= low)
    yield Condition(kind, f"{what} {low:.3g} to {middle:.3g}", (value_N > low) & (value_N <= middle))
    yield Condition(kind, f"{what} {middle:.3g} to {high:.3g}", (value_N > middle) & (value_N <= high))
    yield Condition(kind, f"{what} > {high:.3g}", value_N > high)
    yield Condition(kind, f"{what} > {most:.3g}", value_N > most)


def _field_conditions(judged: Judged) -> Iterator[Condition]:
    names = sorted({name for fields in judged.fields for name in fields})
    for name in names:
        values = [fields.get(name, "").strip() for fields in judged.fields]
        yield Condition("missing", f"{name} is missing", np.array([not value for value in values], dtype=bool))
        different = sorted(set(values) - {""})
        if len(different) <= _MOST_VALUES:
            for value in different:
                yield Condition("column", f"{name} = {value}", np.array([each == value for each in values], dtype=bool))


def _date_conditions(judged: Judged) -> Iterator[Condition]:
    dates = [date for date in judged.dates if date is not None]
    if not dates:
        return
    ordered = sorted(dates)
    moment_N = np.array([np.nan if date is None else date.timestamp() for date in judged.dates])
    yield Condition("missing", "the date is missing", np.isnan(moment_N))
    # Quarters of the records, and the windows half-way between two of them.
    for start in range(_DATE_STEPS - 1):
        first, last = (round(q * (len(ordered) - 1)) for q in (start / _DATE_STEPS, (start + 2) / _DATE_STEPS))
        inside_N = (moment_N >= ordered[first].timestamp()) & (moment_N <= ordered[last].timestamp())
        yield Condition("date", f"{ordered[first]:%Y-%m-%d} to {ordered[last]:%Y-%m-%d}", inside_N)


def _word_conditions(words: Sequence[Sequence[str]]) -> Iterator[Condition]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    holders: dict[str, list[int]] = {}
    for row, each in enumerate(words):
        for word in dict.fromkeys(each):
            if len(word) > 1 and word not in ENGLISH_STOP_WORDS and not re.fullmatch(r"\d+", word):
                holders.setdefault(word, []).append(row)
    for word in sorted(holders, key=lambda each: (-len(holders[each]), each))[:_MOST_WORDS]:
        member_N = np.zeros(len(words), dtype=bool)
        member_N[holders[word]] = True
        yield Condition("word", f"says “{word}”", member_N)


def text_order(texts: Sequence[str]) -> NDArray[np.int64]:
    """An order of texts that depends on them alone, so that what is drawn from them does not depend on the file's."""
    return np.array(sorted(range(len(texts)), key=lambda i: texts[i]), dtype=np.int64)


def text_space(texts: Sequence[str], seed: int) -> tuple[Any, NDArray[np.float64], NDArray[np.object_]] | None:
    """TF-IDF of N texts, (N, F) sparse; unit vectors of its main directions, (N, D); the F words; None: no words."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    vectorizer = TfidfVectorizer(stop_words="english", min_df=2, sublinear_tf=True)
    try:
        weights_NF = vectorizer.fit_transform(texts)
    except ValueError:  # no words that two texts share
        return None
    dimensions = min(_DIMENSIONS, weights_NF.shape[1] - 1)
    if dimensions < 2:
        return None
    points_ND = normalize(TruncatedSVD(dimensions, random_state=seed).fit_transform(weights_NF))
    return weights_NF, points_ND, vectorizer.get_feature_names_out()


def _neighbourhoods(texts: Sequence[str], seed: int) -> Iterator[Condition]:
    """Clusters of like texts, named by the words that set them apart."""
    from sklearn.cluster import KMeans

    if len(texts) < 4 * max(_NUM_CLUSTERS):
        return
    order = text_order(texts)
    place = np.argsort(order)
    space = text_space([texts[i] for i in order], seed)
    if space is None:
        return
    weights_NF, points_ND, names = space
    for number in _NUM_CLUSTERS:
        cluster_N = KMeans(number, n_init=2, random_state=seed).fit_predict(points_ND)
        for cluster in range(number):
            inside = np.asarray(weights_NF[cluster_N == cluster].mean(0)).ravel()
            apart = inside - np.asarray(weights_NF[cluster_N != cluster].mean(0)).ravel()
            top = ", ".join(names[apart.argsort()[::-1][:4]])
            yield Condition("neighbourhood", f"like: {top}", (cluster_N == cluster)[place])
