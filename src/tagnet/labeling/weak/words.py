"""Labeling functions that look for words: keywords, patterns, a knowledge base, and the names in a taxonomy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from tagnet.errors import LabelingError
from tagnet.labeling.weak.functions import Example, LabelingFunction, Votes, version_of
from tagnet.records.plain_words import plain_words
from tagnet.records.tag_names import names_of_tags
from tagnet.records.taxonomy import Taxonomy, to_rows


def keywords(
    name: str, tags: Sequence[str], any_of: Sequence[str], vote: int = 1, fields: Sequence[str] | None = None
) -> LabelingFunction:
    """Votes for all tags where one of the words or phrases stands in the text, as whole words, in any case.

    >>> function = keywords("speech", ["audio"], ["speech", "text to speech"])
    >>> function.vote([Example(1, {}, "Text-to-Speech!"), Example(2, {}, "speechless")])
    [{'audio': 1}, {}]
    """
    phrases = [f" {plain_words(phrase)} " for phrase in any_of if plain_words(phrase)]
    if len(phrases) < len(any_of) or not phrases:
        raise LabelingError(f"labeling function {name}: any: expected words, found {list(any_of)!r}")
    votes = dict.fromkeys(tags, vote)

    def one(example: Example) -> Votes:
        words = f" {plain_words(_shown(example, fields))} "
        return votes if any(phrase in words for phrase in phrases) else {}

    version = version_of("keywords", list(tags), list(any_of), vote, fields)
    return LabelingFunction(name, tuple(tags), version, _each(one))


def pattern(
    name: str, tags: Sequence[str], expression: str, vote: int = 1, fields: Sequence[str] | None = None
) -> LabelingFunction:
    r"""Votes for all tags where a regular expression matches somewhere, in any case.

    >>> pattern("q", ["reinforcement-learning"], r"\bd?qn\b").vote([Example(1, {}, "A DQN agent")])
    [{'reinforcement-learning': 1}]
    """
    try:
        compiled = re.compile(expression, re.IGNORECASE)
    except re.error as fault:
        raise LabelingError(
            f"labeling function {name}: pattern: expected a regular expression, found {expression!r} ({fault})"
        ) from fault
    votes = dict.fromkeys(tags, vote)

    def one(example: Example) -> Votes:
        return votes if compiled.search(_shown(example, fields)) else {}

    return LabelingFunction(name, tuple(tags), version_of("pattern", list(tags), expression, vote, fields), _each(one))


def knowledge(name: str, tags_of: Mapping[str, Sequence[str]], vote: int = 1) -> LabelingFunction:
    """A knowledge base of phrases: each that stands in the text votes for its tags."""
    tags = tuple(dict.fromkeys(tag for each in tags_of.values() for tag in each))
    known = [(f" {plain_words(phrase)} ", tuple(each)) for phrase, each in tags_of.items() if plain_words(phrase)]

    def one(example: Example) -> Votes:
        words = f" {plain_words(example.text)} "
        return {tag: vote for phrase, each in known if phrase in words for tag in each}

    return LabelingFunction(name, tags, version_of("knowledge", dict(tags_of), vote), _each(one))


def names(
    name: str, tags: Sequence[str], taxonomy: Taxonomy | None, absent: int = 0, fields: Sequence[str] | None = None
) -> LabelingFunction:
    """Votes for each tag whose name, alias, or tag below it is named, in the singular or the plural.

    Args:
        name: of the function.
        tags: what may be voted for.
        taxonomy: where aliases and parents come from; None: the tags' own names alone.
        absent: the vote for tags that are not named: 0 abstains, −1 is against them.
        fields: where to look; None: in the text.
    """
    known = []
    for each in names_of_tags(tags, taxonomy):
        plain = [plain_words(one) for one in each.names if plain_words(one)]
        known.append(([f" {word}{plural} " for word in plain for plural in ("", "s")], each.columns))
    against = dict.fromkeys(tags, absent) if absent else {}

    def one(example: Example) -> Votes:
        words = f" {plain_words(_shown(example, fields))} "
        named = [column for phrases, columns in known if any(p in words for p in phrases) for column in columns]
        return {**against, **{tags[column]: 1 for column in named}}

    rows = None if taxonomy is None else to_rows(taxonomy)
    return LabelingFunction(name, tuple(tags), version_of("names", list(tags), rows, absent, fields), _each(one))


def column(name: str, field: str, tags_of: Mapping[str, Sequence[str]], vote: int = 1) -> LabelingFunction:
    """Votes by the value of another column, compared whole."""
    tags = tuple(dict.fromkeys(tag for each in tags_of.values() for tag in each))

    def one(example: Example) -> Votes:
        return dict.fromkeys(tags_of.get(example.fields.get(field, ""), ()), vote)

    return LabelingFunction(name, tags, version_of("column", field, dict(tags_of), vote), _each(one))


def _shown(example: Example, fields: Iterable[str] | None) -> str:
    return example.text if fields is None else " ".join(example.fields.get(field, "") for field in fields)


def _each(one: Callable[[Example], Votes]) -> Callable[[Sequence[Example]], list[Votes]]:
    return lambda examples: [one(example) for example in examples]
