"""How unsure one model is: of a cell, and of a record as a whole.

A cell that has been answered is certain: it counts 0. Higher is more worth asking.

Legend: N records, K tags.
"""

from __future__ import annotations

import numpy as np

from tagnet.labeling.query.pool import Floats, Pool

_TINY = 1e-12


def binary_entropy(probs: Floats) -> Floats:
    """Entropy of yes or no in bits, of any shape; 0 at 0 and 1.

    >>> binary_entropy(np.array([0.0, 0.5, 1.0])).round(6).tolist()
    [0.0, 1.0, 0.0]
    """
    p, q = np.clip(probs, _TINY, 1), np.clip(1 - probs, _TINY, 1)
    return np.abs(probs * np.log2(p) + (1 - probs) * np.log2(q))


def entropy_cells(pool: Pool) -> Floats:
    """Entropy of each cell in bits, (N, K)."""
    return binary_entropy(pool.probs_NK) * pool.open_NK


def entropy_mean(pool: Pool) -> Floats:
    """Mean entropy of the cells, (N,) (Settles 2009, §3.1, tag by tag)."""
    return np.asarray(entropy_cells(pool).mean(axis=1))


def entropy_max(pool: Pool) -> Floats:
    """Entropy of the least certain cell, (N,)."""
    return np.asarray(entropy_cells(pool).max(axis=1))


def scarcity(pool: Pool) -> Floats:
    """What weighs a tag of which little is labelled: 1 / √(1 + positives), mean 1, (K,)."""
    weights_K = 1 / np.sqrt(1 + pool.counts_K.astype(np.float64))
    return np.asarray(weights_K / weights_K.mean())


def entropy_scarce(pool: Pool) -> Floats:
    """Mean entropy of the cells, scarce tags weighted up, (N,)."""
    return np.asarray((entropy_cells(pool) * scarcity(pool)).mean(axis=1))


def least_confidence_cells(pool: Pool) -> Floats:
    """1 − the probability of the likelier answer, (N, K)."""
    return np.minimum(pool.probs_NK, 1 - pool.probs_NK) * pool.open_NK


def least_confidence(pool: Pool) -> Floats:
    """1 − the probability of the likeliest set of tags, the product over the tags, (N,) (Settles 2009, §3.1)."""
    return np.asarray(1 - np.prod(1 - least_confidence_cells(pool), axis=1))


def margin_cells(pool: Pool) -> Floats:
    """Nearness to the tag's threshold in log-odds, 1 at the threshold and towards 0 away from it, (N, K).

    In log-odds, because thresholds of scarce tags lie low: .05 and .10 are as far apart as .90 and .95.
    """
    distance_NK = np.abs(_log_odds(pool.probs_NK) - _log_odds(pool.thresholds_K.astype(np.float64)))
    return np.asarray(pool.open_NK / (1 + distance_NK))


def margin(pool: Pool) -> Floats:
    """Nearness to the threshold of the tag that is nearest to its own, (N,)."""
    return np.asarray(margin_cells(pool).max(axis=1))


def _log_odds(probs: Floats) -> Floats:
    clipped = np.clip(probs, 1e-9, 1 - 1e-9)
    return np.log(clipped) - np.log1p(-clipped)
