"""ZLPR: zero-bounded log-sum-exp and pairwise rank-based loss. B records in a batch, K tags."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from tagnet.losses.cells import prepare


def zlpr_loss(logits_BK: Tensor, targets_BK: Tensor, known_BK: Tensor | None = None) -> Tensor:
    """log(1 + Σ_k y_k e^(−z_k)) + log(1 + Σ_k (1 − y_k) e^(z_k)), averaged over records.

    Su et al., "ZLPR", arXiv 2208.02955: at hard targets the two sums run over the record's positive and negative
    tags; this is the paper's own soft version, which weighs each tag's term by its share. Logits rank the tags and
    are bounded at 0, where a tag is accepted: they are no log-odds until they are calibrated.

    The mean is over the records with at least one known cell; unknown cells are in neither sum.

    Args:
        logits_BK: (B, K).
        targets_BK: (B, K) in [0, 1].
        known_BK: (B, K) bool; None: every cell is known.

    >>> round(zlpr_loss(torch.zeros(1, 4), torch.tensor([[1.0, 0.0, 0.0, 0.0]])).item(), 4)  # log 2 + log 4
    2.0794
    """
    z_BK, y_BK, known_BK = prepare(logits_BK, targets_BK, known_BK)
    positive_B = _log_one_plus_sum(torch.log(y_BK) - z_BK, known_BK)
    negative_B = _log_one_plus_sum(torch.log(1 - y_BK) + z_BK, known_BK)
    return (positive_B + negative_B).sum() / known_BK.any(dim=1).sum().clamp_min(1)


def _log_one_plus_sum(exponents_BK: Tensor, known_BK: Tensor) -> Tensor:
    # The column of zeros is the 1, and keeps a record without any term at log 1 with zero gradients.
    exponents_BK = exponents_BK.masked_fill(~known_BK, -torch.inf)
    return torch.logsumexp(F.pad(exponents_BK, (1, 0)), dim=1)
