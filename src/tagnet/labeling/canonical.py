"""Answers in the taxonomy's words: aliases resolved, parents added, what is outside told apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tagnet.records.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True)
class Canonical:
    """Tags by the taxonomy's rule."""

    tags: tuple[str, ...]
    """Each once: those of the taxonomy under their own names, each with its parents behind it; others as they are."""
    outside: tuple[str, ...]
    """Those among `tags` that the taxonomy does not know."""
    parents: tuple[str, ...]
    """Those among `tags` that stand there as parents alone."""


def canonical(tags: Iterable[str], taxonomy: Taxonomy) -> Canonical:
    """Tags by the taxonomy's rule.

    >>> from tagnet.records.taxonomy import build_taxonomy
    >>> rows = [{"tag": "nlp", "aliases": ["language"], "parents": ["ml"]}, {"tag": "ml"}]
    >>> canonical(["language", "code"], build_taxonomy(rows, "tags.json"))
    Canonical(tags=('nlp', 'ml', 'code'), outside=('code',), parents=('ml',))
    """
    found: dict[str, None] = {}
    outside: dict[str, None] = {}
    own: set[str] = set()
    for tag in tags:
        resolved = taxonomy.resolve(tag)
        if resolved is None:
            found[tag] = outside[tag] = None
            continue
        own.add(resolved)
        found[resolved] = None
        found.update(dict.fromkeys(taxonomy.ancestors(resolved)))
    parents = tuple(tag for tag in found if tag not in own and tag not in outside)
    return Canonical(tuple(found), tuple(outside), parents)
