"""Focal loss. B records in a batch, K tags."""

from __future__ import annotations

from torch import Tensor

from tagnet.losses.cells import focal_term, mean_over_known, prepare


def focal_loss(
    logits_BK: Tensor,
    targets_BK: Tensor,
    known_BK: Tensor | None = None,
    *,
    gamma: float,
    alpha: float | None = None,
) -> Tensor:
    """−α_t (1 − p_t)^γ log p_t (Lin et al., ICCV 2017, section 3, equation 5), averaged over the known cells.

    p_t is p = σ(logit) for a positive cell and 1 − p for a negative one. A soft target y is the expectation over
    the two: y · loss(positive) + (1 − y) · loss(negative); the published loss at 0 and 1, cross-entropy at γ = 0.

    Args:
        logits_BK: (B, K).
        targets_BK: (B, K) in [0, 1].
        known_BK: (B, K) bool; None: every cell is known.
        gamma: γ ≥ 0.
        alpha: weight of positive cells, 1 − alpha that of negative ones; None: both weigh 1.

    >>> import torch
    >>> round(focal_loss(torch.tensor([[0.0]]), torch.tensor([[1.0]]), gamma=2.0).item(), 4)  # ¼ log 2
    0.1733
    """
    z_BK, y_BK, known_BK = prepare(logits_BK, targets_BK, known_BK)
    positive_weight, negative_weight = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
    positive_BK = positive_weight * focal_term(z_BK, gamma)
    negative_BK = negative_weight * focal_term(-z_BK, gamma)
    return mean_over_known(y_BK * positive_BK + (1 - y_BK) * negative_BK, known_BK)
