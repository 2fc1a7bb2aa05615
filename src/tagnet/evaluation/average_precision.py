"""Average precision, for one set of records or for many weightings of it from a single sort.

scikit-learn gives the same values, one tag and one weighting at a time; a thousand resamples of a thousand tags need
this. The tests hold the two equal.

Legend: N records, K tags, S weightings (resamples), P positives of a tag.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagnet.evaluation.label_scores import divide

Floats = NDArray[np.float64]


def average_precisions(probs_NK: NDArray[np.floating], y_NK: NDArray[Any]) -> Floats:
    """Average precision of each tag, (K,); nan where no record bears it.

    >>> average_precisions(np.array([[0.9, 0.3], [0.5, 0.2]]), np.array([[1, 0], [0, 0]]))
    array([ 1., nan])
    """
    N, K = y_NK.shape
    ones_N1 = np.ones((N, 1), dtype=np.float64)
    tags = (SortedScores.of(probs_NK[:, k], y_NK[:, k] > 0, np.arange(N)) for k in range(K))
    return np.array([tag.average_precision(ones_N1)[0] for tag in tags])


@dataclass(frozen=True)
class SortedScores:
    """Scores of one tag (or of all cells pooled), sorted once, ready for any weights of the records."""

    records: NDArray[np.int64]
    """Which record each cell belongs to, by falling score; the cells after the last positive are left out."""
    positive_at_P: NDArray[np.int64]
    """Where the positives stand among them."""
    tie_end_P: NDArray[np.int64]
    """For each positive, where its run of equal scores ends."""
    tie_end_positive_P: NDArray[np.int64]
    """For each positive, the last positive (0 to P-1) of that run."""

    @classmethod
    def of(cls, scores_N: NDArray[np.floating], y_N: NDArray[np.bool_], records_N: NDArray[np.int64]) -> SortedScores:
        """Sort the scores, best first."""
        order = np.argsort(-scores_N, kind="stable")
        positive_at = np.flatnonzero(y_N[order])
        # Searching the negated scores gives, for each, the first place beyond its run of ties.
        falling = -scores_N[order]
        tie_end = np.searchsorted(falling, falling[positive_at], side="right") - 1
        tie_end_positive = np.searchsorted(positive_at, tie_end, side="right") - 1
        used = int(tie_end[-1]) + 1 if len(tie_end) else 0
        return cls(records_N[order[:used]], positive_at, tie_end, tie_end_positive)

    def average_precision(self, weights_NS: NDArray[np.floating]) -> Floats:
        """Weighted average precision, (S,): Σ over positives of weight · precision where its ties end, over Σ weight.

        It equals scikit-learn's `average_precision_score(…, sample_weight=…)`. nan where no positive has weight.
        """
        if len(self.positive_at_P) == 0:
            return np.full(weights_NS.shape[1], np.nan)
        # float32 would stop counting at 2**24 cells.
        weights_cells = weights_NS.astype(np.float64, copy=False)[self.records]
        w_PS = weights_cells[self.positive_at_P]
        all_PS = np.cumsum(weights_cells, axis=0)[self.tie_end_P]
        hits_PS = np.cumsum(w_PS, axis=0)[self.tie_end_positive_P]
        precision_PS = divide(hits_PS, all_PS)
        total_S = w_PS.sum(0)
        result: Floats = np.where(total_S > 0, divide((w_PS * precision_PS).sum(0), total_S), np.nan)
        return result
