"""How much the members of an ensemble disagree: seeds, checkpoints or passes with dropout.

A cell that has been answered counts 0. Higher is more worth asking. A record counts the mean of its cells.

Legend: E members, N records, K tags.
"""

from __future__ import annotations

import numpy as np

from tagnet.labeling.query.pool import Floats, Pool
from tagnet.labeling.query.uncertainty import binary_entropy

_TINY = 1e-12


def bald_cells(pool: Pool) -> Floats:
    """Bits that the answer tells about which member is right: entropy of the mean − mean entropy, (N, K).

    Houlsby et al. 2011, "Bayesian active learning for classification and preference learning", §2; members from
    dropout: Gal et al. 2017, §3.
    """
    members_ENK = _members(pool)
    told_NK = binary_entropy(members_ENK.mean(axis=0)) - binary_entropy(members_ENK).mean(axis=0)
    return np.asarray(np.maximum(0.0, told_NK) * pool.open_NK)


def vote_entropy_cells(pool: Pool) -> Floats:
    """Entropy of the members' votes by the thresholds, (N, K) (Dagan & Engelson 1995, §4)."""
    votes_NK = (_members(pool) >= pool.thresholds_K).mean(axis=0)
    return binary_entropy(votes_NK) * pool.open_NK


def kl_cells(pool: Pool) -> Floats:
    """Mean divergence of the members from the ensemble's decision rule, in bits, (N, K).

    McCallum & Nigam 1998, §3.2, measure it from the mean of the members, which is `bald_cells`. Here it is from the
    probabilities of the pool, those of the model that is in use: members that agree with each other against it count.
    """
    members_ENK = _members(pool)
    p_ENK, q_NK = np.clip(members_ENK, _TINY, 1 - _TINY), np.clip(pool.probs_NK, _TINY, 1 - _TINY)
    divergence_ENK = p_ENK * np.log2(p_ENK / q_NK) + (1 - p_ENK) * np.log2((1 - p_ENK) / (1 - q_NK))
    return np.asarray(np.maximum(0.0, divergence_ENK.mean(axis=0)) * pool.open_NK)


def _members(pool: Pool) -> Floats:
    if pool.members_ENK is None or not len(pool.members_ENK):
        raise ValueError("members_ENK: expected the probabilities of an ensemble, found none")
    return pool.members_ENK
