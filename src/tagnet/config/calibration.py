"""From logits to probabilities, and from these to tags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tagnet.config.require import require


@dataclass(frozen=True)
class SharedPlattConfig:
    """One Platt scaling for all tags, and a small ridge offset for each (Platt 1999; ridge toward the shared curve)."""

    name: Literal["shared_platt"]
    offset_ridge: float
    """Strength of the ridge on the offsets (unit: pseudo-records); larger is nearer to one curve for all."""

    def __post_init__(self) -> None:
        require(self.offset_ridge > 0, "calibrator.offset_ridge", "a positive number", self.offset_ridge)


@dataclass(frozen=True)
class TemperatureConfig:
    """One temperature for all tags (Guo et al., ICML 2017)."""

    name: Literal["temperature"]


@dataclass(frozen=True)
class NoCalibratorConfig:
    """Probabilities are the sigmoid of the logits."""

    name: Literal["none"]


CalibratorConfig = SharedPlattConfig | TemperatureConfig | NoCalibratorConfig


@dataclass(frozen=True)
class ShrunkThresholdsConfig:
    """The best F1 threshold of each tag, shrunk toward safer ones by the tag's support n: n / (n + shrinkage)."""

    name: Literal["shrunk"]
    shrinkage: float
    """Positives of a tag at which its own threshold and the mean of its plug-in and the global one weigh alike (unit:
    records)."""

    def __post_init__(self) -> None:
        require(self.shrinkage >= 0, "thresholds.shrinkage", "at least 0", self.shrinkage)


@dataclass(frozen=True)
class GlobalThresholdConfig:
    """One threshold for all tags: the best micro F1."""

    name: Literal["global"]


@dataclass(frozen=True)
class PerTagThresholdsConfig:
    """The best F1 threshold of each tag."""

    name: Literal["per_tag"]


@dataclass(frozen=True)
class PlugInThresholdsConfig:
    """Half the best expected F1 of each tag, from calibrated probabilities alone (Lipton et al., arXiv 1402.1892)."""

    name: Literal["plug_in"]


@dataclass(frozen=True)
class FixedThresholdConfig:
    """The same given threshold for every tag."""

    name: Literal["fixed"]
    threshold: float
    """A tag is accepted from this probability on."""

    def __post_init__(self) -> None:
        require(0 < self.threshold < 1, "thresholds.threshold", "above 0 and below 1", self.threshold)


@dataclass(frozen=True)
class ConformalRecallThresholdsConfig:
    """The highest threshold for all tags that promises a mean recall a record (conformal risk control)."""

    name: Literal["conformal_recall"]
    recall: float
    """Share of a record's tags that are accepted, in expectation, on records like those of validation."""

    def __post_init__(self) -> None:
        require(0 < self.recall < 1, "thresholds.recall", "above 0 and below 1", self.recall)


ThresholdsConfig = (
    ShrunkThresholdsConfig
    | GlobalThresholdConfig
    | PerTagThresholdsConfig
    | PlugInThresholdsConfig
    | FixedThresholdConfig
    | ConformalRecallThresholdsConfig
)
