"""From votes to probabilities: union, majority, accuracies by EM, snorkel's label model; one registry.

N records, K tags.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagnet.errors import ConfigError, nearest
from tagnet.labeling.weak.snorkel_model import snorkel_probabilities
from tagnet.labeling.weak.stacked import stacked_probabilities
from tagnet.labeling.weak.votes import VoteMatrix
from tagnet.records.taxonomy import Taxonomy

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Gold:
    """What people said about some cells."""

    y_NK: NDArray[np.uint8]
    known_NK: NDArray[np.bool_]
    """Where `y_NK` holds."""

    def __post_init__(self) -> None:
        if self.y_NK.shape != self.known_NK.shape:
            raise ValueError(f"known: expected the shape of y {self.y_NK.shape}, found {self.known_NK.shape}")


@dataclass(frozen=True)
class Combined:
    """A probability for each cell."""

    probs_NK: Floats
    known_NK: NDArray[np.bool_]
    """False where no function may vote: nothing is known there."""


def union(votes: VoteMatrix, gold: Gold | None, seed: int) -> Floats:
    """1 where any function votes for the tag: (N, K)."""
    return (votes.counts(1) > 0).astype(np.float64)


def majority(votes: VoteMatrix, gold: Gold | None, seed: int) -> Floats:
    """The share of the votes that are for the tag, 0 where none is cast: (N, K)."""
    for_NK, against_NK = votes.counts(1), votes.counts(-1)
    return np.asarray(for_NK / np.maximum(for_NK + against_NK, 1), dtype=np.float64)


def em(votes: VoteMatrix, gold: Gold | None, seed: int) -> Floats:
    """Accuracies of the functions by EM, put right on gold where there is enough (`stacked_probabilities`): (N, K)."""
    return stacked_probabilities(votes, *_cells(votes, gold), seed)


def snorkel(votes: VoteMatrix, gold: Gold | None, seed: int) -> Floats:
    """Snorkel's LabelModel, tag by tag (`snorkel_probabilities`), which sees of gold the frequency of a tag: (N, K)."""
    return snorkel_probabilities(votes, *_cells(votes, gold), seed)


COMBINERS: dict[str, Callable[[VoteMatrix, Gold | None, int], Floats]] = {
    "union": union,
    "majority": majority,
    "em": em,
    "snorkel": snorkel,
}
"""Name → what makes (N, K) probabilities of votes, gold and a seed."""
DEFAULT_COMBINER = "em"


def combine(name: str, votes: VoteMatrix, gold: Gold | None = None, seed: int = 0) -> Combined:
    """The probabilities that a combiner makes of votes; cells with gold keep the gold.

    Args:
        name: one of `COMBINERS`.
        votes: of N records for K tags.
        gold: (N, K) labels and where they are known; None: nowhere.
        seed: for combiners that draw numbers.

    Raises:
        ConfigError: there is no such combiner.
        MissingExtraError: it needs a package that is not installed.
    """
    if name not in COMBINERS:
        raise ConfigError(f"--combine: expected {', '.join(COMBINERS)}; found {name!r}{nearest(name, COMBINERS)}")
    shape = (votes.num_records, len(votes.tags))
    if gold is not None and gold.y_NK.shape != shape:
        raise ValueError(f"gold: expected the votes' records and tags {shape}, found {gold.y_NK.shape}")
    known_NK = np.broadcast_to(votes.may_vote_FK.any(0), shape).copy()
    probs_NK = COMBINERS[name](votes, gold, seed) if votes.num_records else np.zeros(shape)
    probs_NK = np.where(known_NK, probs_NK, 0.0)
    if gold is not None:
        probs_NK = np.where(gold.known_NK, gold.y_NK, probs_NK)
        known_NK |= gold.known_NK
    return Combined(probs_NK, known_NK)


def consistent(combined: Combined, tags: tuple[str, ...], taxonomy: Taxonomy) -> Combined:
    """Probabilities in which no tag is less probable than a tag below it: parents are raised to their children.

    A parent of which nothing is known becomes known where a child is probable.
    """
    probs_NK, known_NK = combined.probs_NK.copy(), combined.known_NK.copy()
    column_of = {tag: k for k, tag in enumerate(tags)}
    for child, k in column_of.items():
        if taxonomy.resolve(child, aliases=False) is None:
            continue
        for above in taxonomy.ancestors(child):
            if above in column_of:
                j = column_of[above]
                said_N = combined.known_NK[:, k] & ((combined.probs_NK[:, k] >= 0.5) | known_NK[:, j])
                probs_NK[:, j] = np.where(said_N, np.maximum(probs_NK[:, j], combined.probs_NK[:, k]), probs_NK[:, j])
                known_NK[:, j] |= said_N
    return Combined(probs_NK, known_NK)


def _cells(votes: VoteMatrix, gold: Gold | None) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    if gold is not None:
        return gold.y_NK, gold.known_NK
    shape = (votes.num_records, len(votes.tags))
    return np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=bool)
