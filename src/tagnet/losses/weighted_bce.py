"""Binary cross-entropy whose positive and negative cells are weighted tag by tag. B records in a batch, K tags."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from tagnet.losses.cells import mean_over_known, prepare


def weighted_binary_cross_entropy(
    logits_BK: Tensor,
    targets_BK: Tensor,
    known_BK: Tensor | None = None,
    *,
    positive_weights_K: Tensor,
    negative_weights_K: Tensor,
) -> Tensor:
    """−w⁺ y log p − w⁻ (1 − y) log(1 − p) with p = σ(logit), averaged over the known cells.

    As in PyTorch's BCEWithLogitsLoss the sum is divided by the number of cells, not by their weights. Soft targets
    mix the two weighted terms.

    Args:
        logits_BK: (B, K).
        targets_BK: (B, K) in [0, 1].
        known_BK: (B, K) bool; None: every cell is known.
        positive_weights_K: (K,) w⁺, see `tagnet.losses.weights`.
        negative_weights_K: (K,) w⁻.

    >>> import torch
    >>> weights = {"positive_weights_K": torch.tensor([3.0]), "negative_weights_K": torch.tensor([1.0])}
    >>> round(weighted_binary_cross_entropy(torch.tensor([[0.0]]), torch.tensor([[1.0]]), **weights).item(), 4)
    2.0794
    """
    z_BK, y_BK, known_BK = prepare(logits_BK, targets_BK, known_BK)
    positive_BK = -positive_weights_K * F.logsigmoid(z_BK)
    negative_BK = -negative_weights_K * F.logsigmoid(-z_BK)
    return mean_over_known(y_BK * positive_BK + (1 - y_BK) * negative_BK, known_BK)
