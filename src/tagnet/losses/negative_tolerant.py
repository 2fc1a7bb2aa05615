"""Negative-tolerant focal losses, distribution-balanced and class-balanced. B records in a batch, K tags.

Huang et al., "Balancing methods for multi-label text classification with long-tailed class distribution", EMNLP 2021
(arXiv 2109.04712): DB and CB-NTR, after Wu et al., "Distribution-balanced loss", ECCV 2020 (arXiv 2007.09654),
section 3.1 (re-balanced weights) and 3.2 (negative-tolerant regularisation). With ν_k = κ · log(1/p_k − 1) for the
share p_k of records that bear tag k, a cell costs

    w · (1 − q)^γ · (−log q)          where it is positive, q = σ(z − ν_k)
    w · 1/λ · q^γ · (−log(1 − q))     where it is negative, q = σ(λ (z − ν_k))

and w is the cell's weight. Differences from the authors' code (github.com/Roche/BalancedLossNLP): its constant factor
α = 0.5 of the focal part, which the paper does not have, is left out; class-balanced weights average 1, as Cui et al.
(CVPR 2019) scale them, where the code multiplies by 10; a tag without positives counts as one that has one.
A soft target y puts its share y on the first term and 1 − y on the second.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tagnet.losses.cells import focal_term, mean_over_known, prepare


def negative_tolerant_cells(
    z_BK: Tensor, y_BK: Tensor, prior_log_odds_K: Tensor, *, gamma: float, negative_scale: float, bias_shift: float
) -> Tensor:
    """The unweighted cost of each cell, (B, K): the two lines above with w = 1.

    >>> y_BK, arguments = torch.tensor([[1.0, 0.0]]), {"gamma": 2.0, "negative_scale": 2.0, "bias_shift": 0.05}
    >>> cells_BK = negative_tolerant_cells(torch.zeros(1, 2), y_BK, torch.zeros(2), **arguments)
    >>> [round(cell, 4) for cell in cells_BK[0].tolist()]
    [0.1733, 0.0866]
    """
    # ν_k is −κ times the prior log-odds, so that a rare tag's logits are lowered and learning has to raise them.
    shifted_BK = z_BK + bias_shift * prior_log_odds_K
    negative_BK = focal_term(-negative_scale * shifted_BK, gamma) / negative_scale
    return y_BK * focal_term(shifted_BK, gamma) + (1 - y_BK) * negative_BK


def rebalancing_weights(
    y_BK: Tensor, inverse_counts_K: Tensor, *, map_alpha: float, map_beta: float, map_mu: float
) -> Tensor:
    """r̂ = α + σ(β (r − μ)), (B, K), with r = (1/n_k) / Σ_j y_j/n_j over the record's own tags (Wu et al., section 3.1).

    n_k counts the training records of tag k. r is the chance of meeting the record through tag k alone, over the
    chance of meeting it through any of its tags. A record without tags has r = ∞ (the authors' code divides by zero
    to the same end); soft targets enter the sum with their share.

    >>> y_BK, inverse_counts_K = torch.tensor([[1.0, 1.0]]), torch.tensor([1 / 10, 1 / 90])
    >>> weights = rebalancing_weights(y_BK, inverse_counts_K, map_alpha=0.1, map_beta=10.0, map_mu=0.9)
    >>> [round(weight, 4) for weight in weights[0].tolist()]
    [0.6, 0.1003]
    """
    through_any_B1 = (y_BK * inverse_counts_K).sum(dim=1, keepdim=True)
    # Anything this small saturates the sigmoid; it only keeps β · ∞ out.
    ratio_BK = inverse_counts_K / through_any_B1.clamp_min(1e-12)
    return map_alpha + torch.sigmoid(map_beta * (ratio_BK - map_mu))


def distribution_balanced_loss(
    logits_BK: Tensor,
    targets_BK: Tensor,
    known_BK: Tensor | None = None,
    *,
    inverse_counts_K: Tensor,
    prior_log_odds_K: Tensor,
    gamma: float,
    negative_scale: float,
    bias_shift: float,
    map_alpha: float,
    map_beta: float,
    map_mu: float,
) -> Tensor:
    """The negative-tolerant focal loss with `rebalancing_weights`, averaged over the known cells.

    Args:
        logits_BK: (B, K).
        targets_BK: (B, K) in [0, 1].
        known_BK: (B, K) bool; None: every cell is known. Unknown tags do not count among a record's own.
        inverse_counts_K: (K,) 1/n_k over the training records.
        prior_log_odds_K: (K,) log-odds of the tag's share of the training records.
        gamma: γ ≥ 0; 0 turns the focal part off.
        negative_scale: λ > 0.
        bias_shift: κ ≥ 0.
        map_alpha: α of the weights.
        map_beta: β of the weights.
        map_mu: μ of the weights.
    """
    z_BK, y_BK, known_BK = prepare(logits_BK, targets_BK, known_BK)
    weights_BK = rebalancing_weights(y_BK, inverse_counts_K, map_alpha=map_alpha, map_beta=map_beta, map_mu=map_mu)
    cells_BK = negative_tolerant_cells(
        z_BK, y_BK, prior_log_odds_K, gamma=gamma, negative_scale=negative_scale, bias_shift=bias_shift
    )
    return mean_over_known(weights_BK * cells_BK, known_BK)


def class_balanced_loss(
    logits_BK: Tensor,
    targets_BK: Tensor,
    known_BK: Tensor | None = None,
    *,
    tag_weights_K: Tensor,
    prior_log_odds_K: Tensor,
    gamma: float,
    negative_scale: float,
    bias_shift: float,
) -> Tensor:
    """The negative-tolerant focal loss with one weight a tag, averaged over the known cells.

    Args:
        logits_BK: (B, K).
        targets_BK: (B, K) in [0, 1].
        known_BK: (B, K) bool; None: every cell is known.
        tag_weights_K: (K,) see `tagnet.losses.weights.class_balanced_weights`.
        prior_log_odds_K: (K,) log-odds of the tag's share of the training records.
        gamma: γ ≥ 0; 0 turns the focal part off.
        negative_scale: λ > 0.
        bias_shift: κ ≥ 0.
    """
    z_BK, y_BK, known_BK = prepare(logits_BK, targets_BK, known_BK)
    cells_BK = negative_tolerant_cells(
        z_BK, y_BK, prior_log_odds_K, gamma=gamma, negative_scale=negative_scale, bias_shift=bias_shift
    )
    return mean_over_known(tag_weights_K * cells_BK, known_BK)
