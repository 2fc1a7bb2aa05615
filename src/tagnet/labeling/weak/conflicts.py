"""Cells in which functions contradict each other, with their texts: what to read when functions are mended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tagnet.labeling.weak.combine import Gold
from tagnet.labeling.weak.functions import Example
from tagnet.labeling.weak.votes import VoteMatrix
from tagnet.records.record import RecordId


@dataclass(frozen=True)
class Conflict:
    """One cell."""

    id: RecordId
    tag: str
    text: str
    votes_for: tuple[str, ...]
    """Names of functions."""
    votes_against: tuple[str, ...]
    gold: bool | None
    """What people said; None: nothing."""


def find_conflicts(votes: VoteMatrix, examples: Sequence[Example], gold: Gold | None) -> list[Conflict]:
    """All cells with votes for and against, the most contested first, then in the order of records and tags."""
    for_NK, against_NK = votes.counts(1), votes.counts(-1)
    least_NK = np.minimum(for_NK, against_NK)
    rows, columns = np.nonzero(least_NK)
    order = np.lexsort((columns, rows, -least_NK[rows, columns]))
    wanted = {(int(n), int(k)): ([], []) for n, k in zip(rows[order], columns[order], strict=True)}  # type: ignore[var-annotated]
    for f, n, k, vote in zip(
        votes.function_V.tolist(), votes.record_V.tolist(), votes.tag_V.tolist(), votes.vote_V.tolist(), strict=True
    ):
        if (n, k) in wanted:
            wanted[n, k][0 if vote > 0 else 1].append(votes.functions[f])
    return [
        Conflict(
            examples[n].id,
            votes.tags[k],
            examples[n].text,
            tuple(pro),
            tuple(contra),
            None if gold is None or not gold.known_NK[n, k] else bool(gold.y_NK[n, k]),
        )
        for (n, k), (pro, contra) in wanted.items()
    ]
