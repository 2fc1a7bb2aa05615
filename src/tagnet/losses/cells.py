"""What the losses share: cells in float32 or better, a known-mask, the focal term, and the mean over known cells.

B records in a batch, K tags. A cell is one record's logit and target for one tag.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def prepare(logits_BK: Tensor, targets_BK: Tensor, known_BK: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, targets and known-mask, each (B, K), with zeros in unknown cells, at least in float32.

    Half precision is too coarse for the sums below: 256 + 1 is 256 in bfloat16. Unknown cells may hold anything,
    even NaN: nothing of them reaches a value or a gradient.

    Raises:
        ValueError: the shapes differ.
    """
    for name, tensor in (("targets", targets_BK), ("known", known_BK)):
        if tensor is not None and tensor.shape != logits_BK.shape:
            raise ValueError(
                f"{name}: expected the shape of the logits {tuple(logits_BK.shape)}, found {tuple(tensor.shape)}"
            )
    dtype = torch.promote_types(logits_BK.dtype, torch.float32)
    z_BK, y_BK = logits_BK.to(dtype), targets_BK.to(dtype)
    if known_BK is None:
        return z_BK, y_BK, torch.ones_like(z_BK, dtype=torch.bool)
    known_BK = known_BK.to(torch.bool)
    return torch.where(known_BK, z_BK, 0.0), torch.where(known_BK, y_BK, 0.0), known_BK


def mean_over_known(cells_BK: Tensor, known_BK: Tensor) -> Tensor:
    """The mean of the known cells; 0, with zero gradients, where none is known.

    >>> mean_over_known(torch.tensor([[1.0, 2.0, 9.0]]), torch.tensor([[True, True, False]])).item()
    1.5
    """
    return torch.where(known_BK, cells_BK, 0.0).sum() / known_BK.sum().clamp_min(1)


def focal_term(z: Tensor, gamma: float) -> Tensor:
    """(1 − p)^γ · (−log p) with p = σ(z), for cells that are positive; `focal_term(-z, gamma)` for negative ones.

    Taken as exp(γ · log σ(−z)), so that value and gradient are finite for every z and every γ ≥ 0.
    """
    negative_log_p = -F.logsigmoid(z)
    return negative_log_p if gamma == 0 else torch.exp(gamma * F.logsigmoid(-z)) * negative_log_p
