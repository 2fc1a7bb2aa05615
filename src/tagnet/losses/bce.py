"""Binary cross-entropy. B records in a batch, K tags."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from tagnet.losses.cells import mean_over_known, prepare


def binary_cross_entropy(logits_BK: Tensor, targets_BK: Tensor, known_BK: Tensor | None = None) -> Tensor:
    """−y log p − (1 − y) log(1 − p) with p = σ(logit), averaged over the known cells.

    Args:
        logits_BK: (B, K), any floating type; computed in float32 or better.
        targets_BK: (B, K) in [0, 1]; soft targets are the cross-entropy's own.
        known_BK: (B, K) bool; None: every cell is known.

    Returns:
        A scalar in [0, ∞).

    >>> import torch
    >>> round(binary_cross_entropy(torch.tensor([[0.0, 9.0]]), torch.tensor([[1.0, 1.0]])).item(), 4)
    0.3466
    """
    z_BK, y_BK, known_BK = prepare(logits_BK, targets_BK, known_BK)
    return mean_over_known(F.binary_cross_entropy_with_logits(z_BK, y_BK, reduction="none"), known_BK)
