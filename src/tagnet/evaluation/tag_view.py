"""One tag, looked at closely: its place in the taxonomy, its company, its words, its records and those it may lack.

Legend: N records, K tags.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagnet.data.prepare import Prepared
from tagnet.errors import ConfigError, nearest
from tagnet.evaluation.data_view import side_of_records
from tagnet.records.plain_words import plain_words
from tagnet.records.record import RecordId

NUM_EXAMPLES = 5
MOST_WORDS = 20
MOST_COMPANIONS = 12
_LEAST_SURETY = 1.645
"""In standard errors above 0: a word that has nothing to do with the tag gets so far one time in twenty."""

_WORD = re.compile(r"[^\W\d_][\w+#]+(?:['’-]\w+)*")


@dataclass(frozen=True)
class Companion:
    """Another tag that records of the tag bear too."""

    tag: str
    count: int
    """Records that bear both."""
    share: float
    """Of the tag's records."""
    lift: float
    """How many times as often as if the two had nothing to do with each other."""


@dataclass(frozen=True)
class TypicalWord:
    """A word that is much commoner in the tag's records than in others."""

    word: str
    count: int
    """The tag's records that hold it."""
    share_inside: float
    share_outside: float
    log_odds: float
    """The logarithm of the ratio of its odds inside to those outside."""


@dataclass(frozen=True)
class Excerpt:
    """A record to read."""

    id: RecordId
    side: str
    """`train`, `val`, `test`, or "" for none."""
    text: str
    tags: tuple[str, ...]
    named: str | None = None
    """The name of the tag that its text holds."""


@dataclass(frozen=True)
class TagView:
    """Everything that can be said about one tag of the label space."""

    tag: str
    asked: str
    """As it was asked for: the tag or an alias."""
    aliases: tuple[str, ...]
    parents: tuple[str, ...]
    children: tuple[str, ...]
    count: int
    share: float
    sides: Mapping[str, tuple[int, float]]
    """Side → its records that bear the tag, and their share of the side."""
    companions: tuple[Companion, ...]
    """The commonest first."""
    words: tuple[TypicalWord, ...]
    """The surest first."""
    examples: tuple[Excerpt, ...]
    likely_missing: tuple[Excerpt, ...]
    """Records whose text names the tag or an alias, and which do not bear it."""


def view_tag(prepared: Prepared, name: str) -> TagView:
    """Look at one tag.

    Args:
        prepared: records, labels and sides.
        name: the tag or one of its aliases.

    Raises:
        ConfigError: the label space does not hold it; it says why, or names the nearest.
    """
    corpus = prepared.corpus
    tag = find_tag(prepared, name)
    taxonomy = corpus.taxonomy if corpus.taxonomy and corpus.taxonomy.resolve(tag, aliases=False) else None
    aliases = taxonomy.aliases_of(tag) if taxonomy else ()
    column = corpus.label_space.index_of(tag)
    bears_N: NDArray[np.bool_] = corpus.y_NK[:, column] > 0
    side_of = side_of_records(prepared.split, len(corpus.records))
    tags_of = corpus.label_space.decode(corpus.y_NK)

    def excerpt(index: int, named: str | None = None) -> Excerpt:
        return Excerpt(corpus.records[index].id, side_of[index], prepared.texts[index], tags_of[index], named)

    bearers = np.flatnonzero(bears_N)
    # Spread over the file, which is often in the order of time.
    chosen = np.unique(np.linspace(0, len(bearers) - 1, min(NUM_EXAMPLES, len(bearers))).round().astype(int))
    others = np.flatnonzero(~bears_N).tolist()
    named_by = find_names([prepared.texts[i] for i in others], (tag, *aliases))
    return TagView(
        tag=tag,
        asked=name,
        aliases=tuple(alias for alias in aliases if alias != tag),
        parents=taxonomy.parents_of(tag) if taxonomy else (),
        children=taxonomy.children(tag) if taxonomy else (),
        count=len(bearers),
        share=len(bearers) / len(bears_N),
        sides={
            side: (int(bears_N[index].sum()), float(bears_N[index].mean()) if len(index) else 0.0)
            for side, index in prepared.split.sides().items()
        },
        companions=_companions(corpus.label_space.tags, corpus.y_NK, column),
        words=typical_words(prepared.texts, bears_N),
        examples=tuple(excerpt(i) for i in bearers[chosen].tolist()),
        likely_missing=tuple(excerpt(i, named) for i, named in zip(others, named_by, strict=True) if named is not None),
    )


def find_tag(prepared: Prepared, name: str) -> str:
    """The tag of the label space that `name` stands for, itself or as an alias.

    Raises:
        ConfigError: there is none; it says why, or names the nearest.
    """
    corpus, report = prepared.corpus, prepared.corpus.report
    space, taxonomy = corpus.label_space, corpus.taxonomy
    tag = name if name in space or taxonomy is None else (taxonomy.resolve(name) or name)
    if tag in space:
        return tag
    called = f"--tag {name!r}" + (f" (an alias of {tag!r})" if tag != name else "")
    if tag in report.below_min_count:
        count = report.below_min_count[tag]
        raise ConfigError(
            f"{called}: {count} record(s) bear it, fewer than labels.min_count asks for; "
            f"to keep it set 'labels.include=[{tag}]' or labels.min_count={count}"
        )
    if tag in report.excluded:
        raise ConfigError(f"{called}: {report.excluded[tag]} record(s) bear it, but labels.exclude leaves it out")
    if tag in report.outside_taxonomy:
        raise ConfigError(
            f"{called}: {report.outside_taxonomy[tag]} record(s) bear it, but the taxonomy does not know it; "
            "add it there, or set data.taxonomy=null to take tags as they stand"
        )
    known = list(space.tags)
    if taxonomy is not None:
        if taxonomy.resolve(tag, aliases=False) is not None:
            raise ConfigError(f"{called}: the taxonomy declares it, but no record bears it")
        known += [alias for t in space.tags if taxonomy.resolve(t, aliases=False) for alias in taxonomy.aliases_of(t)]
    hint = nearest(name, known) or "; the page of --output lists them"
    raise ConfigError(f"{called}: none of the {len(space)} tags{hint}")


def find_names(texts: Sequence[str], names: Sequence[str]) -> list[str | None]:
    """For each text the first of the names that stands in it as whole words, with or without a plural s.

    Case does not matter, nor what stands between words.

    >>> find_names(["Graph neural networks in C++", "Paragraphs"], ["graph-neural-network", "graph"])
    ['graph-neural-network', None]
    """
    patterns = [(name, plain) for name in names if (plain := plain_words(name))]
    found: list[str | None] = []
    for text in texts:
        words = f" {plain_words(text)} "
        found.append(next((name for name, p in patterns if f" {p} " in words or f" {p}s " in words), None))
    return found


def typical_words(texts: Sequence[str], bears_N: NDArray[np.bool_], most: int = MOST_WORDS) -> tuple[TypicalWord, ...]:
    """The words by which the records of a tag are told from others, the surest first.

    A word counts once a record. Its log odds ratio has half a record added to each of the four cells (Haldane 1956,
    Anscombe 1956); words are ranked by that ratio over its standard error, so that a word of two records does not
    lead. Words within the noise are left out; of many words, chance alone still carries some beyond it.

    >>> texts = ["fast graph walks", "graph maps", "a graph", "fast tables", "tables of maps", "a table"]
    >>> [word.word for word in typical_words(texts, np.array([True, True, True, False, False, False]))]
    ['graph']
    """
    inside, outside = Counter[str](), Counter[str]()
    for text, bears in zip(texts, bears_N.tolist(), strict=True):
        (inside if bears else outside).update(set(_WORD.findall(text.casefold())))
    num_inside = int(bears_N.sum())
    num_outside = len(texts) - num_inside
    if not num_outside:
        return ()
    ranked = []
    for word, count in inside.items():
        if count < 2:
            continue
        cells = [c + 0.5 for c in (count, num_inside - count, outside[word], num_outside - outside[word])]
        log_odds = math.log(cells[0] / cells[1]) - math.log(cells[2] / cells[3])
        surety = log_odds / math.sqrt(sum(1 / cell for cell in cells))
        if surety >= _LEAST_SURETY:
            found = TypicalWord(word, count, count / num_inside, outside[word] / num_outside, log_odds)
            ranked.append((-surety, word, found))
    return tuple(found for _, _, found in sorted(ranked)[:most])


def _companions(tags: Sequence[str], y_NK: NDArray[np.uint8], column: int) -> tuple[Companion, ...]:
    counts_K = y_NK.sum(axis=0, dtype=np.int64)
    both_K = y_NK[y_NK[:, column] > 0].sum(axis=0, dtype=np.int64)
    found = []
    for k in np.argsort(-both_K, kind="stable").tolist():
        if k != column and both_K[k]:
            lift = float(both_K[k] * len(y_NK) / (counts_K[column] * counts_K[k]))
            found.append(Companion(tags[k], int(both_K[k]), float(both_K[k] / counts_K[column]), lift))
    return tuple(found[:MOST_COMPANIONS])
