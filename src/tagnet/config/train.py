"""All of a training run."""

from __future__ import annotations

from dataclasses import dataclass

from tagnet.config.calibration import CalibratorConfig, ThresholdsConfig
from tagnet.config.data import DataConfig, LabelsConfig
from tagnet.config.evaluation import EvaluationConfig
from tagnet.config.logger import LoggerConfig
from tagnet.config.loss import LossConfig
from tagnet.config.model import AdapterConfig, ModelConfig
from tagnet.config.optim import OptimConfig
from tagnet.config.require import require
from tagnet.config.run import RunConfig
from tagnet.config.sampler import SamplerConfig
from tagnet.config.split import SplitConfig
from tagnet.config.trainer import TrainerConfig


@dataclass(frozen=True)
class TrainConfig:
    """All of a training run."""

    data: DataConfig
    labels: LabelsConfig
    split: SplitConfig
    sampler: SamplerConfig
    loss: LossConfig
    encoder: str
    """`all-MiniLM-L6-v2` (embedded), `tiny` (random, for tests), a hub name or a folder."""
    model: ModelConfig
    adapter: AdapterConfig
    optim: OptimConfig
    calibrator: CalibratorConfig
    thresholds: ThresholdsConfig
    trainer: TrainerConfig
    evaluation: EvaluationConfig
    logger: LoggerConfig
    run: RunConfig

    def __post_init__(self) -> None:
        require(self.encoder != "", "encoder", "a name or the path of a folder", self.encoder)
