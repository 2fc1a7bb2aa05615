"""How often records are shown, against imbalance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tagnet.config.require import require


@dataclass(frozen=True)
class NoSamplerConfig:
    """Every training record once an epoch."""

    name: Literal["none"]


@dataclass(frozen=True)
class OversampleConfig:
    """ML-ROS: records of scarce tags are repeated (Charte et al., Neurocomputing 163, 2015)."""

    name: Literal["oversample"]
    fraction: float
    """How many records are added, as a share of the training set."""

    def __post_init__(self) -> None:
        require(0 < self.fraction <= 4, "sampler.fraction", "above 0 and at most 4", self.fraction)


@dataclass(frozen=True)
class UndersampleConfig:
    """ML-RUS: records that bear only frequent tags are left out (Charte et al., Neurocomputing 163, 2015)."""

    name: Literal["undersample"]
    fraction: float
    """How many records are left out each epoch, as a share of the training set."""

    def __post_init__(self) -> None:
        require(0 < self.fraction < 1, "sampler.fraction", "above 0 and below 1", self.fraction)


@dataclass(frozen=True)
class RepeatFactorConfig:
    """Repeat-factor sampling (Gupta et al., LVIS, CVPR 2019, section 5.1)."""

    name: Literal["repeat_factor"]
    threshold: float
    """Tags that fewer than this share of the records bear are repeated."""

    def __post_init__(self) -> None:
        require(0 < self.threshold < 1, "sampler.threshold", "above 0 and below 1", self.threshold)


SamplerConfig = NoSamplerConfig | OversampleConfig | UndersampleConfig | RepeatFactorConfig
