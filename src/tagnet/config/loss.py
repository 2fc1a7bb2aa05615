"""The losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tagnet.config.require import require


def _check_beta(beta: float | None) -> None:
    require(beta is None or 0 < beta < 1, "loss.beta", "null or above 0 and below 1", beta)


@dataclass(frozen=True)
class BCEConfig:
    """Binary cross-entropy."""

    name: Literal["bce"]


@dataclass(frozen=True)
class WeightedBCEConfig:
    """Binary cross-entropy whose positive cells are weighted by the scarcity of their tag."""

    name: Literal["weighted_bce"]
    weighting: Literal["inverse", "sqrt_inverse", "effective_number", "count"]
    """negatives/positives, its root, the effective number (Cui et al., CVPR 2019), or 1/count on the whole tag."""
    beta: float | None
    """The β of the effective number; null: (n − 1) / n for n training records. Only effective_number takes one."""
    max_weight: float
    """No weight is larger."""

    def __post_init__(self) -> None:
        _check_beta(self.beta)
        if self.weighting != "effective_number":
            require(self.beta is None, "loss.beta", f"null with loss.weighting={self.weighting}", self.beta)
        require(self.max_weight > 0, "loss.max_weight", "a positive number", self.max_weight)


@dataclass(frozen=True)
class FocalConfig:
    """Focal loss (Lin et al., ICCV 2017)."""

    name: Literal["focal"]
    gamma: float
    """How strongly easy cells are played down; 0 is binary cross-entropy."""
    alpha: float | None
    """Weight of positive cells, 1 − alpha that of negative ones; null: both weigh 1."""

    def __post_init__(self) -> None:
        require(self.gamma >= 0, "loss.gamma", "at least 0", self.gamma)
        require(self.alpha is None or 0 < self.alpha < 1, "loss.alpha", "null or above 0 and below 1", self.alpha)


@dataclass(frozen=True)
class AsymmetricConfig:
    """Asymmetric loss (Ridnik et al., ICCV 2021)."""

    name: Literal["asl"]
    gamma_positive: float
    """The focusing exponent of positive cells."""
    gamma_negative: float
    """The focusing exponent of negative cells."""
    clip: float
    """Negative cells below this probability cost nothing; 0 turns the margin off."""

    def __post_init__(self) -> None:
        require(self.gamma_positive >= 0, "loss.gamma_positive", "at least 0", self.gamma_positive)
        require(self.gamma_negative >= 0, "loss.gamma_negative", "at least 0", self.gamma_negative)
        require(0 <= self.clip < 1, "loss.clip", "0 to below 1", self.clip)


@dataclass(frozen=True)
class _NegativeTolerantBase:
    gamma: float
    """The focusing exponent; 0 turns the focal part off."""
    negative_scale: float
    """λ: how much slower negative cells are pushed down."""
    bias_shift: float
    """κ: the share of the tag's prior log-odds by which its logits are shifted."""

    def __post_init__(self) -> None:
        require(self.gamma >= 0, "loss.gamma", "at least 0", self.gamma)
        require(self.negative_scale > 0, "loss.negative_scale", "a positive number", self.negative_scale)
        require(self.bias_shift >= 0, "loss.bias_shift", "at least 0", self.bias_shift)


@dataclass(frozen=True)
class DistributionBalancedConfig(_NegativeTolerantBase):
    """Negative-tolerant focal loss, distribution-balanced weights (DB-NTR-FL of Huang et al., EMNLP 2021)."""

    name: Literal["distribution_balanced"]
    map_alpha: float
    """α of the smoothing of the re-balancing weight."""
    map_beta: float
    """β of it."""
    map_mu: float
    """μ of it."""


@dataclass(frozen=True)
class ClassBalancedConfig(_NegativeTolerantBase):
    """Negative-tolerant focal loss, class-balanced weights (CB-NTR-FL of Huang et al., EMNLP 2021)."""

    name: Literal["class_balanced"]
    beta: float | None
    """β of the effective number; null: (n − 1) / n for n training records."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_beta(self.beta)


@dataclass(frozen=True)
class ZLPRConfig:
    """Zero-bounded log-sum-exp and pairwise rank-based loss (Su et al., arXiv 2208.02955)."""

    name: Literal["zlpr"]


@dataclass(frozen=True)
class TwoWayConfig:
    """Two-way multi-label loss: over tags and over records (Kobayashi, CVPR 2023)."""

    name: Literal["two_way"]
    positive_temperature: float
    """Temperature of the log-sum-exp over positives."""
    negative_temperature: float
    """Temperature of the log-sum-exp over negatives."""

    def __post_init__(self) -> None:
        require(self.positive_temperature > 0, "loss.positive_temperature", "above 0", self.positive_temperature)
        require(self.negative_temperature > 0, "loss.negative_temperature", "above 0", self.negative_temperature)


LossConfig = (
    BCEConfig
    | WeightedBCEConfig
    | FocalConfig
    | AsymmetricConfig
    | DistributionBalancedConfig
    | ClassBalancedConfig
    | ZLPRConfig
    | TwoWayConfig
)
