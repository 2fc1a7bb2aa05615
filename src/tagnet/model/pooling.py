"""Pooling: from the states of a text's tokens to one vector.

Shapes: B texts, T tokens, H hidden width. A mask is 1 at tokens and 0 at padding; each text has at least one token.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def mean_pooling(states_BTH: Tensor, mask_BT: Tensor) -> Tensor:
    """The mean over the tokens (Reimers & Gurevych, EMNLP 2019, section 3): (B, H).

    >>> mean_pooling(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[1, 1, 0]]))
    tensor([[2.]])
    """
    mask_BT1 = mask_BT.unsqueeze(-1).to(states_BTH.dtype)
    return (states_BTH * mask_BT1).sum(1) / mask_BT1.sum(1).clamp(min=1.0)


def cls_pooling(states_BTH: Tensor, mask_BT: Tensor) -> Tensor:
    """The state of the first token (Devlin et al., NAACL 2019, section 3): (B, H)."""
    return states_BTH[:, 0]


def max_pooling(states_BTH: Tensor, mask_BT: Tensor) -> Tensor:
    """The largest value over the tokens, for each of the H dimensions: (B, H)."""
    padding_BT1 = mask_BT.unsqueeze(-1) == 0
    return states_BTH.masked_fill(padding_BT1, torch.finfo(states_BTH.dtype).min).amax(1)


class MeanPooling(nn.Module):
    """`mean_pooling` as a module."""

    def forward(self, states_BTH: Tensor, mask_BT: Tensor) -> Tensor:
        """Pool: (B, H)."""
        return mean_pooling(states_BTH, mask_BT)


class CLSPooling(nn.Module):
    """`cls_pooling` as a module."""

    def forward(self, states_BTH: Tensor, mask_BT: Tensor) -> Tensor:
        """Pool: (B, H)."""
        return cls_pooling(states_BTH, mask_BT)


class MaxPooling(nn.Module):
    """`max_pooling` as a module."""

    def forward(self, states_BTH: Tensor, mask_BT: Tensor) -> Tensor:
        """Pool: (B, H)."""
        return max_pooling(states_BTH, mask_BT)


class AttentionPooling(nn.Module):
    """A learned weight for each token (Yang et al., NAACL 2016, section 2.2); starts as the mean."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.projection = nn.Linear(hidden_size, hidden_size)
        self.query = nn.Linear(hidden_size, 1, bias=False)
        nn.init.zeros_(self.query.weight)

    def forward(self, states_BTH: Tensor, mask_BT: Tensor) -> Tensor:
        """Pool: (B, H)."""
        scores_BT = self.query(torch.tanh(self.projection(states_BTH))).squeeze(-1)
        scores_BT = scores_BT.masked_fill(mask_BT == 0, torch.finfo(scores_BT.dtype).min)
        return torch.einsum("bt,bth->bh", scores_BT.softmax(-1), states_BTH)


def make_pooling(name: str, hidden_size: int) -> nn.Module:
    """The pooling of that name: mean, cls, max or attention."""
    if name == "attention":
        return AttentionPooling(hidden_size)
    return {"mean": MeanPooling, "cls": CLSPooling, "max": MaxPooling}[name]()
