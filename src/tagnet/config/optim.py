"""The optimizer and its schedule."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tagnet.config.require import require


@dataclass(frozen=True)
class OptimConfig:
    """AdamW and its schedule."""

    lr: float
    """Peak learning rate of the encoder's last layer."""
    head_lr: float
    """Peak learning rate of pooling and head."""
    layer_decay: float
    """Each encoder layer learns at this share of the layer above it; 1: all alike."""
    weight_decay: float
    """Decoupled weight decay of matrices; biases and norms have none."""
    warmup: float
    """Share of the steps over which the rate rises."""
    schedule: Literal["linear", "cosine", "constant"]
    """How it falls afterwards."""
    clip_norm: float | None
    """Gradients are clipped to this global norm; null: not at all."""
    fused: bool
    """Whether PyTorch's fused AdamW is used."""

    def __post_init__(self) -> None:
        require(self.lr > 0 and math.isfinite(self.lr), "optim.lr", "a positive number", self.lr)
        require(self.head_lr > 0 and math.isfinite(self.head_lr), "optim.head_lr", "a positive number", self.head_lr)
        require(0 < self.layer_decay <= 1, "optim.layer_decay", "above 0 and at most 1", self.layer_decay)
        require(self.weight_decay >= 0, "optim.weight_decay", "at least 0", self.weight_decay)
        require(0 <= self.warmup < 1, "optim.warmup", "0 to below 1", self.warmup)
        require(self.clip_norm is None or self.clip_norm > 0, "optim.clip_norm", "null or above 0", self.clip_norm)
