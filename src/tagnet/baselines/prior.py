"""The prior: every record gets the log-odds of each tag's frequency in training. N records, K tags."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tagnet.records.taxonomy import Taxonomy


def smoothed_log_odds(y_NK: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Log-odds of each tag's frequency, (K,), half a record added on both sides so that all are finite.

    >>> smoothed_log_odds(np.array([[1, 0, 1], [1, 0, 0]], dtype=np.uint8)).round(3).tolist()
    [1.609, -1.609, 0.0]
    """
    positives_K = y_NK.sum(axis=0, dtype=np.float64)
    log_odds_K: NDArray[np.float64] = np.log((positives_K + 0.5) / (len(y_NK) - positives_K + 0.5))
    return log_odds_K


class PriorBaseline:
    """Knows how common a tag is, and nothing of the text."""

    name = "prior"
    decides = False

    def fit(
        self,
        texts: Sequence[str],
        y_NK: NDArray[np.uint8],
        tags: Sequence[str],
        taxonomy: Taxonomy | None,
        seed: int,
    ) -> None:
        """Count the tags."""
        self._log_odds_K = smoothed_log_odds(y_NK)

    def scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """The same log-odds for each text: (N, K)."""
        return np.tile(self._log_odds_K, (len(texts), 1))
