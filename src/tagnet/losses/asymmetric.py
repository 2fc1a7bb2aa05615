"""Asymmetric loss (ASL). B records in a batch, K tags."""

from __future__ import annotations

import torch
from torch import Tensor

from tagnet.losses.cells import focal_term, mean_over_known, prepare


def asymmetric_loss(
    logits_BK: Tensor,
    targets_BK: Tensor,
    known_BK: Tensor | None = None,
    *,
    gamma_positive: float,
    gamma_negative: float,
    clip: float,
) -> Tensor:
    """−y (1 − p)^γ₊ log p − (1 − y) p_m^γ₋ log(1 − p_m), averaged over the known cells.

    p = σ(logit) and p_m = max(p − clip, 0): Ridnik et al., ICCV 2021 (arXiv 2009.14119), sections 2.2 (asymmetric
    focusing) to 2.4 (the loss). The paper sums over the tags; we average over cells, as every cell-wise loss here.
    The gradient flows through the focusing weights too, as in the paper's gradient analysis; the authors' code can
    hold them constant. Negative cells with p below `clip` cost nothing and have no gradient.

    The paper writes the loss for y in {0, 1} as the sum above; a soft target puts its share on each term.

    Args:
        logits_BK: (B, K).
        targets_BK: (B, K) in [0, 1].
        known_BK: (B, K) bool; None: every cell is known.
        gamma_positive: γ₊ ≥ 0.
        gamma_negative: γ₋ ≥ 0.
        clip: the margin m, 0 to below 1.

    >>> import torch
    >>> arguments = {"gamma_positive": 0.0, "gamma_negative": 4.0, "clip": 0.05}
    >>> round(asymmetric_loss(torch.tensor([[0.0]]), torch.tensor([[0.0]]), **arguments).item(), 6)
    0.024515
    """
    z_BK, y_BK, known_BK = prepare(logits_BK, targets_BK, known_BK)
    positive_BK = focal_term(z_BK, gamma_positive)
    negative_BK = focal_term(-z_BK, gamma_negative) if clip == 0 else _shifted_term(z_BK, gamma_negative, clip)
    return mean_over_known(y_BK * positive_BK + (1 - y_BK) * negative_BK, known_BK)


def _shifted_term(z_BK: Tensor, gamma: float, clip: float) -> Tensor:
    # 1 − p_m is taken from σ(−z), not from 1 − p, which rounds to 0 from z = 17 on in float32.
    complement_BK = torch.sigmoid(-z_BK) + clip
    costs_BK = complement_BK < 1
    # Cells under the margin are moved aside before the power, whose slope at 0 is infinite for γ < 1.
    safe_BK = torch.where(costs_BK, complement_BK, 0.5)
    return torch.where(costs_BK, -((1 - safe_BK) ** gamma) * torch.log(safe_BK), 0.0)
