"""The names by which texts speak of tags: the tags themselves, their aliases, and tags below them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tagnet.records.taxonomy import Taxonomy


class TagNames(NamedTuple):
    """Names of one tag, and what a text that holds one of them speaks of."""

    names: tuple[str, ...]
    """The tag and its aliases, as the taxonomy writes them."""
    columns: tuple[int, ...]
    """Places in the label space: of the tag, where it is in it, and of the tags above it."""


def names_of_tags(tags: Sequence[str], taxonomy: Taxonomy | None, *, below: bool = True) -> list[TagNames]:
    """The names of all tags of a label space.

    Args:
        tags: the K tags, in the order of the columns.
        taxonomy: where aliases and parents come from; None: the tags' own names alone.
        below: whether tags outside the label space (too rare for it) count for the tags above them.

    >>> names_of_tags(["deep-learning", "nlp"], None)
    [TagNames(names=('deep-learning',), columns=(0,)), TagNames(names=('nlp',), columns=(1,))]
    """
    column_of = {tag: column for column, tag in enumerate(tags)}
    outside = [tag for tag in taxonomy.tags if tag not in column_of] if taxonomy is not None and below else []
    found = []
    for tag in (*tags, *outside):
        names, columns = [tag], [column_of[tag]] if tag in column_of else []
        if taxonomy is not None and taxonomy.resolve(tag, aliases=False) is not None:
            names += taxonomy.aliases_of(tag)
            columns += [column_of[above] for above in taxonomy.ancestors(tag) if above in column_of]
        if columns:
            found.append(TagNames(tuple(names), tuple(columns)))
    return found
