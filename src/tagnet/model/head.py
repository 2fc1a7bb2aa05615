"""Heads: from pooled or token states to one logit a tag.

Shapes: B texts, T tokens, H hidden width, K tags.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class LinearHead(nn.Module):
    """A row of weights and a bias for each tag."""

    def __init__(self, hidden_size: int, num_tags: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_tags, hidden_size))
        self.bias = nn.Parameter(torch.zeros(num_tags))
        nn.init.normal_(self.weight, std=0.02)

    def rows(self) -> tuple[nn.Parameter, ...]:
        """The parameters, each with a row a tag."""
        return self.weight, self.bias

    @staticmethod
    def logits(pooled_BH: Tensor, mask_BT: Tensor | None, weight_KH: Tensor, bias_K: Tensor) -> Tensor:
        """Logits by some of the rows: (B, K)."""
        return nn.functional.linear(pooled_BH, weight_KH, bias_K)

    def forward(self, pooled_BH: Tensor, mask_BT: Tensor | None = None) -> Tensor:
        """Logits: (B, K)."""
        return self.logits(pooled_BH, mask_BT, *self.rows())


class LabelAttentionHead(nn.Module):
    """Each tag attends to the tokens that speak for it (Mullenbach et al., NAACL 2018, section 2.2); first the mean."""

    def __init__(self, hidden_size: int, num_tags: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(num_tags, hidden_size))
        self.weight = nn.Parameter(torch.empty(num_tags, hidden_size))
        self.bias = nn.Parameter(torch.zeros(num_tags))
        nn.init.normal_(self.weight, std=0.02)

    def rows(self) -> tuple[nn.Parameter, ...]:
        """The parameters, each with a row a tag."""
        return self.query, self.weight, self.bias

    @staticmethod
    def logits(states_BTH: Tensor, mask_BT: Tensor, query_KH: Tensor, weight_KH: Tensor, bias_K: Tensor) -> Tensor:
        """Logits by some of the rows: (B, K)."""
        scores_BKT = torch.einsum("kh,bth->bkt", query_KH, states_BTH) / math.sqrt(states_BTH.shape[-1])
        scores_BKT = scores_BKT.masked_fill(mask_BT[:, None, :] == 0, torch.finfo(scores_BKT.dtype).min)
        # ⟨Σ_t a_t h_t, w_k⟩ = Σ_t a_t ⟨h_t, w_k⟩: the (B, K, H) tensor of attended states is never made.
        evidence_BKT = torch.einsum("kh,bth->bkt", weight_KH, states_BTH)
        return (scores_BKT.softmax(-1) * evidence_BKT).sum(-1) + bias_K

    def forward(self, states_BTH: Tensor, mask_BT: Tensor) -> Tensor:
        """Logits: (B, K)."""
        return self.logits(states_BTH, mask_BT, *self.rows())


def prior_log_odds(positives_K: NDArray[np.int64], num_records: int) -> Tensor:
    """Where a head's biases start (Lin et al., ICCV 2017, section 4.1): smoothed log-odds of each tag, (K,).

    >>> prior_log_odds(np.array([1, 0]), 4)
    tensor([-0.8473, -2.1972])
    """
    rate_K = (positives_K + 0.5) / (num_records + 1)
    return torch.from_numpy(np.log(rate_K / (1 - rate_K))).float()


def start_from_tag_names(
    head: LinearHead | LabelAttentionHead,
    names_KH: Tensor,
    texts_NH: Tensor,
    scale: float,
    y_NK: Tensor | None = None,
) -> None:
    """Start the rows of a head from the encoded names of their tags, so that it ranks tags before it has learned any.

    With a single tag or a single text there is nothing to rank by, and the head stays as it is.

    A row points from the mean of the names to its own name, which leaves out what all names share; with labels, it
    points halfway to the mean of the texts that bear the tag (Snell et al., NeurIPS 2017, section 2.2). Its length
    makes the logits of the training texts spread with standard deviation `scale`. The bias takes out the mean of that
    spread, so that each tag still starts from its prior.

    Args:
        head: its weight (K, H) and bias (K,) are changed in place.
        names_KH: pooled encodings of the tags' names, (K, H).
        texts_NH: pooled encodings of some training texts, (N, H).
        scale: standard deviation of the logits at the start.
        y_NK: 1 where a text bears the tag, (N, K); None: the names alone.
    """
    if len(names_KH) < 2 or len(texts_NH) < 2:
        return
    rows_KH = nn.functional.normalize(names_KH - names_KH.mean(0), dim=-1)
    if y_NK is not None:
        counts_K1 = y_NK.sum(0).unsqueeze(-1)
        means_KH = y_NK.T @ texts_NH / counts_K1.clamp(min=1)
        to_texts_KH = nn.functional.normalize(means_KH - texts_NH.mean(0), dim=-1)
        rows_KH = torch.where(counts_K1 > 0, (rows_KH + to_texts_KH) / 2, rows_KH)
    raw_NK = texts_NH @ rows_KH.T
    spread = raw_NK.std(0).mean().clamp(min=1e-6)
    with torch.no_grad():
        head.weight.copy_(rows_KH * (scale / spread))
        head.bias.sub_(raw_NK.mean(0) * (scale / spread))
