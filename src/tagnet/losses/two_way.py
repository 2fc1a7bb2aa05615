"""Two-way multi-label loss: tags are told apart within a record, and records within a tag.

B records in a batch, K tags; D is the axis that is left, B or K.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from tagnet.losses.cells import prepare


def two_way_loss(
    logits_BK: Tensor,
    targets_BK: Tensor,
    known_BK: Tensor | None = None,
    *,
    positive_temperature: float,
    negative_temperature: float,
) -> Tensor:
    """Softplus of a soft maximum of negatives less a soft minimum of positives, over records and over tags, summed.

    Kobayashi, "Two-way multi-label loss", CVPR 2023 (code: github.com/tk1980/TwowayMultiLabelLoss). For one record

        softplus( T₋ log Σ_negatives e^(z/T₋)  +  T₊ log Σ_positives e^(−z/T₊) )

    averaged over the records that have a positive tag, plus the same for each tag of the batch, averaged over the
    tags that have a positive record. A record or tag all of whose cells are positive costs 0. The second way depends
    on what else is in the batch. A record without any tag learns only through tags that others in the batch bear.

    Soft targets (the paper has none): each cell enters both sums, weighted by y and by 1 − y as in soft ZLPR, and a
    record or tag counts in its mean with its largest target. Both are the published loss at 0 and 1.

    Unknown cells are in no sum; where nothing is positive the loss is 0 with zero gradients.

    Args:
        logits_BK: (B, K).
        targets_BK: (B, K) in [0, 1].
        known_BK: (B, K) bool; None: every cell is known.
        positive_temperature: T₊ > 0.
        negative_temperature: T₋ > 0.

    >>> arguments = {"positive_temperature": 4.0, "negative_temperature": 1.0}
    >>> two_way_loss(torch.tensor([[3.0, -3.0]]), torch.tensor([[1.0, 0.0]]), **arguments).item() < 0.01
    True
    """
    z_BK, y_BK, known_BK = prepare(logits_BK, targets_BK, known_BK)
    # Unknown cells have target 0 by now, so that only the sum over negatives has to leave them out.
    positive_BK = torch.log(y_BK) - z_BK / positive_temperature
    negative_BK = (torch.log(1 - y_BK) + z_BK / negative_temperature).masked_fill(~known_BK, -torch.inf)
    ways = (_one_way(positive_BK, negative_BK, y_BK, positive_temperature, negative_temperature, dim) for dim in (0, 1))
    return torch.stack(list(ways)).sum()


def _one_way(
    positive_BK: Tensor,
    negative_BK: Tensor,
    y_BK: Tensor,
    positive_temperature: float,
    negative_temperature: float,
    dim: int,
) -> Tensor:
    complete_D = torch.isfinite(positive_BK).any(dim) & torch.isfinite(negative_BK).any(dim)
    # A log-sum-exp of nothing has NaN gradients, so such lines are replaced before it and dropped after it.
    use = complete_D.unsqueeze(dim)
    positive_D = positive_temperature * torch.logsumexp(torch.where(use, positive_BK, 0.0), dim)
    negative_D = negative_temperature * torch.logsumexp(torch.where(use, negative_BK, 0.0), dim)
    loss_D = torch.where(complete_D, F.softplus(positive_D + negative_D), 0.0)
    weight_D = y_BK.amax(dim)
    total = weight_D.sum()
    return (weight_D * loss_D).sum() / torch.where(total > 0, total, 1.0)
