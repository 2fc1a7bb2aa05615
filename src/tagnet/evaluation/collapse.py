"""Whether a model has given up: a loss weighting or a learning rate can drive it there without any error.

Legend: N records, K tags.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FEWEST_RECORDS = 20
"""On fewer records a constant answer may well be the right one."""
SMALLEST_SPREAD = 0.02
"""Standard deviation of a tag's probabilities over records, relative to that of the tag itself; a model that explains
the share r² of a tag's variance, and is calibrated, has r. Below, it is called the base rate."""


def collapse_reason(
    probs_NK: NDArray[np.floating], accepted_NK: NDArray[np.bool_], train_rates_K: NDArray[np.floating]
) -> str | None:
    """Say how the model has collapsed, or None where it has not.

    Args:
        probs_NK: calibrated probabilities.
        accepted_NK: the decisions.
        train_rates_K: share of the training records that bear each tag.

    >>> rng = np.random.default_rng(0)
    >>> probs = rng.random((50, 3))
    >>> collapse_reason(probs, probs > 0.5, np.full(3, 0.5))
    >>> collapse_reason(probs, probs > 2, np.full(3, 0.5))
    'it predicts nothing: none of the 50 records is given any of the 3 tags'
    """
    N, K = accepted_NK.shape
    if N < FEWEST_RECORDS or K == 0:
        return None
    given = int(accepted_NK.sum())
    if given == 0:
        return f"it predicts nothing: none of the {N:,} records is given any of the {K:,} tags"
    expected = N * float(train_rates_K.sum())
    if given < 0.02 * expected:
        return f"it predicts almost nothing: {given:,} tags on {N:,} records; training suggests about {expected:,.0f}"
    share = float(accepted_NK.mean())
    if share > 0.98 and float(train_rates_K.mean()) < 0.9:
        return f"it predicts everything: {share:.0%} of all tags on {N:,} records are accepted"
    deviation_K = np.sqrt(np.maximum(train_rates_K * (1 - train_rates_K), 1e-12))
    spread = float(np.median(probs_NK.std(axis=0) / deviation_K))
    if spread < SMALLEST_SPREAD:
        return (
            f"it predicts the base rate: the probabilities of a tag hardly differ between the {N:,} records "
            f"(median spread {spread:.4f} of the tag's own)"
        )
    always_K = accepted_NK.all(axis=0)
    if np.all(always_K | ~accepted_NK.any(axis=0)) and float(train_rates_K.max()) < 0.95:
        return f"it gives every one of the {N:,} records the same {int(always_K.sum())} of the {K:,} tags"
    return None
