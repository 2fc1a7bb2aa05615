"""How far annotators agree, tag by tag.

Shapes: A annotators, N records that several of them answered, T tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from tagnet.labeling.answers import Answer


@dataclass(frozen=True, slots=True)
class TagAgreement:
    """One tag, over the records that several annotators answered."""

    tag: str
    alpha: float | None
    """Krippendorff's α for nominal values: 1 where all agree, 0 where it is as by chance; None where all said the same
    of every record, or the krippendorff package is not installed."""
    agreeing: int
    """Records on which all who answered say the same of the tag."""
    chosen: int
    """Records for which at least one of them wants it."""
    records: int
    """N."""


def can_measure() -> bool:
    """Whether the package that α needs is installed."""
    return find_spec("krippendorff") is not None


def agreement(votes_of: Mapping[str, Sequence[Answer]]) -> tuple[TagAgreement, ...]:
    """Agreement on each tag that anyone wants in a record that several answered, the least agreed first.

    Krippendorff's α (K. Krippendorff, "Content Analysis", chapter 12) by the krippendorff package; it takes any number
    of annotators, and records that not all of them answered.

    >>> from tagnet.labeling.answers import make_answer
    >>> votes_of = {
    ...     str(record): [make_answer(record, [], tags, annotator=who) for who, tags in (("ann", ann), ("bob", bob))]
    ...     for record, ann, bob in ((1, ["a"], ["a"]), (2, [], []), (3, ["a"], []))
    ... }
    >>> [(each.tag, each.agreeing, each.records) for each in agreement(votes_of)]
    [('a', 2, 3)]
    """
    shared = [given for given in votes_of.values() if len(given) > 1]
    tags = dict.fromkeys(tag for given in shared for answer in given for tag in answer.tags)
    who = {
        name: place for place, name in enumerate(dict.fromkeys(each.annotator for given in shared for each in given))
    }
    answered_AN = np.full((len(who), len(shared)), np.nan)
    wanted: dict[str, list[tuple[int, int]]] = {tag: [] for tag in tags}
    for n, given in enumerate(shared):
        for answer in given:
            answered_AN[who[answer.annotator], n] = 0.0
            for tag in answer.tags:
                wanted[tag].append((who[answer.annotator], n))
    rows = []
    for tag, cells in wanted.items():
        said_AN = answered_AN.copy()
        said_AN[tuple(zip(*cells, strict=True))] = 1.0
        low_N, high_N = np.nanmin(said_AN, axis=0), np.nanmax(said_AN, axis=0)
        rows.append(TagAgreement(tag, _alpha(said_AN), int((low_N == high_N).sum()), int(high_N.sum()), len(shared)))
    return tuple(sorted(rows, key=lambda row: (1.0 if row.alpha is None else row.alpha, row.tag)))


def _alpha(said_AN: NDArray[np.float64]) -> float | None:
    if not can_measure() or len(np.unique(said_AN[~np.isnan(said_AN)])) < 2:
        return None
    import krippendorff

    return float(krippendorff.alpha(reliability_data=said_AN, level_of_measurement="nominal"))
