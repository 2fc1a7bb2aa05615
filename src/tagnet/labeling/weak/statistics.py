"""What is known about each function: coverage, overlap, conflict, precision with its interval, and what it adds.

N records, K tags, F functions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tagnet.labeling.weak.combine import Gold
from tagnet.labeling.weak.votes import VoteMatrix

_Z = 1.959963984540054


@dataclass(frozen=True)
class FunctionStatistics:
    """One function, over one tag or over all that it votes for. Numbers of cells; a cell is a record and a tag."""

    function: str
    tag: str | None
    """None: all its tags together."""
    votes_for: int
    votes_against: int
    overlaps: int
    """Of its votes, those in cells where another function votes, too."""
    conflicts: int
    """Of its votes, those in cells where another function says the opposite."""
    alone_for: int
    """Of its votes for a tag, those in cells for which no other function votes: what it adds."""
    judged: int
    """Of its votes, those in cells with gold."""
    right: int
    """Of those, how many agree with the gold."""
    judged_for: int
    right_for: int
    """Of the votes for a tag alone."""
    nearest: str | None
    """The function whose votes are most like its own; None: no vote in common."""
    redundancy: float
    """The share of equal votes among all cells in which either votes (Jaccard's index), of the nearest."""

    @property
    def precision_for(self) -> tuple[float, float, float] | None:
        """Of votes for a tag: the share that is right, and Wilson's 95% interval; None: none was judged."""
        return wilson(self.right_for, self.judged_for)


def wilson(right: int, number: int) -> tuple[float, float, float] | None:
    """A share and its 95% score interval (Wilson, 1927); None of nothing.

    >>> tuple(round(value, 3) for value in wilson(8, 10))
    (0.8, 0.49, 0.943)
    """
    if number == 0:
        return None
    share = right / number
    centre = (share + _Z**2 / (2 * number)) / (1 + _Z**2 / number)
    half = _Z / (1 + _Z**2 / number) * np.sqrt(share * (1 - share) / number + _Z**2 / (4 * number**2))
    return share, max(0.0, float(centre - half)), min(1.0, float(centre + half))


def function_statistics(votes: VoteMatrix, gold: Gold | None, by_tag: bool = False) -> list[FunctionStatistics]:
    """Statistics of each function, in order; with `by_tag` of each function and tag that it votes for."""
    for_NK, against_NK = votes.counts(1), votes.counts(-1)
    n, k = votes.record_V, votes.tag_V
    is_for = votes.vote_V > 0
    same = np.where(is_for, for_NK[n, k], against_NK[n, k]) - 1
    opposite = np.where(is_for, against_NK[n, k], for_NK[n, k])
    judged = np.zeros(len(n), dtype=bool) if gold is None else gold.known_NK[n, k]
    right = np.zeros(len(n), dtype=bool) if gold is None else judged & ((gold.y_NK[n, k] > 0) == is_for)
    nearest = _nearest(votes)
    found = []
    for f, name in enumerate(votes.functions):
        mine = votes.function_V == f
        tags = [*np.flatnonzero(votes.may_vote_FK[f]).tolist()] if by_tag else [None]
        for tag in tags:
            here = mine if tag is None else mine & (k == tag)
            found.append(
                FunctionStatistics(
                    name,
                    None if tag is None else votes.tags[tag],
                    votes_for=int((here & is_for).sum()),
                    votes_against=int((here & ~is_for).sum()),
                    overlaps=int((here & (same + opposite > 0)).sum()),
                    conflicts=int((here & (opposite > 0)).sum()),
                    alone_for=int((here & is_for & (same == 0)).sum()),
                    judged=int((here & judged).sum()),
                    right=int((here & right).sum()),
                    judged_for=int((here & judged & is_for).sum()),
                    right_for=int((here & right & is_for).sum()),
                    nearest=nearest[f][0],
                    redundancy=nearest[f][1],
                )
            )
    return found


def _nearest(votes: VoteMatrix) -> list[tuple[str | None, float]]:
    """For each function the one with the most like votes, and how like they are."""
    num_functions = len(votes.functions)
    # A vote for and a vote against are different things: each (cell, sign) is a column.
    column_V = (votes.record_V.astype(np.int64) * len(votes.tags) + votes.tag_V) * 2 + (votes.vote_V > 0)
    shape = (num_functions, max(1, 2 * votes.num_records * len(votes.tags)))
    cast = csr_array((np.ones(len(column_V), dtype=np.int64), (votes.function_V, column_V)), shape=shape)
    shared_FF: NDArray[np.float64] = np.asarray((cast @ cast.T).todense(), dtype=np.float64)
    number_F = np.diag(shared_FF).copy()
    either_FF = np.maximum(number_F[:, None] + number_F[None] - shared_FF, 1)
    like_FF = shared_FF / either_FF
    np.fill_diagonal(like_FF, -1.0)
    found: list[tuple[str | None, float]] = []
    for f in range(num_functions):
        best = int(like_FF[f].argmax())
        found.append((votes.functions[best], float(like_FF[f, best])) if like_FF[f, best] > 0 else (None, 0.0))
    return found
