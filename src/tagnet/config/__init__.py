"""The settings of a run as frozen data classes: names, types, units and cross-checks.

No values live here: they stand once, in `conf/`, and a test holds the two sets of keys equal. `strict_build`
turns a plain nested mapping into these classes and refuses whatever does not fit. Below it nobody sees Hydra.
"""

from __future__ import annotations

from tagnet.config.calibration import (
    CalibratorConfig,
    ConformalRecallThresholdsConfig,
    FixedThresholdConfig,
    GlobalThresholdConfig,
    NoCalibratorConfig,
    PerTagThresholdsConfig,
    PlugInThresholdsConfig,
    SharedPlattConfig,
    ShrunkThresholdsConfig,
    TemperatureConfig,
    ThresholdsConfig,
)
from tagnet.config.data import DataConfig, LabelsConfig
from tagnet.config.evaluation import EvaluationConfig
from tagnet.config.logger import (
    LoggerConfig,
    MLflowConfig,
    NoLoggerConfig,
    TensorBoardConfig,
    TrackioConfig,
    WandbConfig,
)
from tagnet.config.loss import (
    AsymmetricConfig,
    BCEConfig,
    ClassBalancedConfig,
    DistributionBalancedConfig,
    FocalConfig,
    LossConfig,
    TwoWayConfig,
    WeightedBCEConfig,
    ZLPRConfig,
)
from tagnet.config.model import AdapterConfig, LoraConfig, ModelConfig, NoAdapterConfig
from tagnet.config.optim import OptimConfig
from tagnet.config.run import RunConfig
from tagnet.config.sampler import (
    NoSamplerConfig,
    OversampleConfig,
    RepeatFactorConfig,
    SamplerConfig,
    UndersampleConfig,
)
from tagnet.config.split import DateSplitConfig, IterativeSplitConfig, KFoldSplitConfig, SplitConfig
from tagnet.config.train import TrainConfig
from tagnet.config.trainer import TrainerConfig

__all__ = [
    "AdapterConfig",
    "AsymmetricConfig",
    "BCEConfig",
    "CalibratorConfig",
    "ClassBalancedConfig",
    "ConformalRecallThresholdsConfig",
    "DataConfig",
    "DateSplitConfig",
    "DistributionBalancedConfig",
    "EvaluationConfig",
    "FixedThresholdConfig",
    "FocalConfig",
    "GlobalThresholdConfig",
    "IterativeSplitConfig",
    "KFoldSplitConfig",
    "LabelsConfig",
    "LoggerConfig",
    "LoraConfig",
    "LossConfig",
    "MLflowConfig",
    "ModelConfig",
    "NoAdapterConfig",
    "NoCalibratorConfig",
    "NoLoggerConfig",
    "NoSamplerConfig",
    "OptimConfig",
    "OversampleConfig",
    "PerTagThresholdsConfig",
    "PlugInThresholdsConfig",
    "RepeatFactorConfig",
    "RunConfig",
    "SamplerConfig",
    "SharedPlattConfig",
    "ShrunkThresholdsConfig",
    "SplitConfig",
    "TemperatureConfig",
    "TensorBoardConfig",
    "ThresholdsConfig",
    "TrackioConfig",
    "TrainConfig",
    "TrainerConfig",
    "TwoWayConfig",
    "UndersampleConfig",
    "WandbConfig",
    "WeightedBCEConfig",
    "ZLPRConfig",
]
