"""The whole of a bundle as one module: token ids in, calibrated probabilities and decisions out.

Shapes: S sequences, T tokens, K tags.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tagnet.calibration.rule import DecisionRule
from tagnet.model.network import TaggerNetwork


class CalibratedNetwork(nn.Module):
    """A network with its decision rule, computed in float32."""

    scale: Tensor
    offsets_K: Tensor
    thresholds_K: Tensor

    def __init__(self, network: TaggerNetwork, rule: DecisionRule) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("scale", torch.tensor(rule.scale, dtype=torch.float32))
        self.register_buffer("offsets_K", torch.from_numpy(rule.offsets_K.astype(np.float32)))
        self.register_buffer("thresholds_K", torch.from_numpy(round_up(rule.thresholds_K)))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities, (S, K) float32, and decisions, (S, K) bool, of token ids and their mask, both (S, T)."""
        logits_SK = self.network(input_ids, attention_mask)
        probs_SK = torch.sigmoid(self.scale * logits_SK + self.offsets_K)
        return probs_SK, probs_SK >= self.thresholds_K


def round_up(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """The least float32 that is no smaller than each value.

    A float32 probability reaches this threshold exactly when it reaches the float64 one.

    >>> 0.1 <= float(round_up(np.array([0.1]))[0]) < 0.1 + 1e-8
    True
    """
    nearest = values.astype(np.float32)
    below = nearest.astype(np.float64) < values
    return np.where(below, np.nextafter(nearest, np.float32(np.inf)), nearest)
