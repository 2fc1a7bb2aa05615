"""The settings of a run as frozen data classes: names, types, units and cross-checks.

No values live here: they stand once, in `conf/`, and a test holds the two sets of keys equal. `strict_build`
turns a plain nested mapping into these classes and refuses whatever does not fit. Below it nobody sees Hydra.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tagnet.errors import ConfigError, nearest


def _require(condition: bool, key: str, expected: str, found: object) -> None:
    if not condition:
        raise ConfigError(f"{key}: expected {expected}, found {found!r}")


# --------------------------------------------------------------------------------------------------------------- data


@dataclass(frozen=True)
class DataConfig:
    """Where the records come from and how they become text."""

    records: str
    """`embedded`, `madewithml`, `goemotions`, `hub:NAME[:SUBSET][:SPLIT]`, or the path of a JSON array, JSON Lines, CSV
    or Parquet file or of a datasets folder."""
    taxonomy: str | None
    """`embedded`, `madewithml`, or the path of a tags.json; null: tags are taken as they stand."""
    columns: Mapping[str, str]
    """Our field name → the column's name in the user's file, for those that differ."""
    on_invalid: Literal["error", "skip"]
    """What a row that cannot be used does: stops the run, or is left out and kept with its reason in data.json."""
    features: tuple[str, ...]
    """The fields that make the text, in this order."""
    feature_tokens: Mapping[str, int]
    """At most this many tokens of a feature (unit: tokens); a feature that is not named is not cut."""
    max_tokens: int | None
    """At most this many tokens of a text, special ones included; null: what the encoder takes."""
    window_overlap: int | None
    """null: longer texts are cut. A number: they are read in windows that share this many tokens."""

    def __post_init__(self) -> None:
        _require(len(self.features) > 0, "data.features", "at least one field name", list(self.features))
        _require(len(set(self.features)) == len(self.features), "data.features", "each field once", list(self.features))
        for name in self.features:
            bad = set(name) & set("{}[]!:.")
            _require(name != "" and not bad, "data.features", "field names without any of {}[]!:.", name)
        for name, budget in self.feature_tokens.items():
            if name not in self.features:
                raise ConfigError(
                    f"data.feature_tokens: {name!r} is not one of data.features {list(self.features)}"
                    + nearest(name, self.features)
                )
            _require(budget > 0, f"data.feature_tokens.{name}", "a positive number of tokens", budget)
        _require(
            self.max_tokens is None or self.max_tokens >= 8, "data.max_tokens", "null or at least 8", self.max_tokens
        )
        overlap = self.window_overlap
        _require(overlap is None or overlap >= 0, "data.window_overlap", "null or at least 0 tokens", overlap)
        if overlap is not None and self.max_tokens is not None:
            expected = f"fewer tokens than data.max_tokens={self.max_tokens}"
            _require(overlap < self.max_tokens, "data.window_overlap", expected, overlap)


@dataclass(frozen=True)
class LabelsConfig:
    """Which tags make the label space, and which records stay."""

    min_count: int
    """A tag is kept when at least this many records bear it (unit: records)."""
    include: tuple[str, ...]
    """Tags that are kept whatever their count."""
    exclude: tuple[str, ...]
    """Tags that are left out whatever their count."""
    untagged: Literal["drop", "negative"]
    """A record without any kept tag is unknown and dropped, or truly has none and is kept."""
    add_parents: bool
    """Whether a tag brings its ancestors in the taxonomy."""
    resolve_aliases: bool
    """Whether an alias in the taxonomy stands for its tag."""

    def __post_init__(self) -> None:
        _require(self.min_count >= 1, "labels.min_count", "at least 1", self.min_count)
        both = sorted(set(self.include) & set(self.exclude))
        _require(not both, "labels.include", "no tag that labels.exclude names too", both)


# -------------------------------------------------------------------------------------------------------------- split


def _check_fraction(key: str, value: float) -> None:
    _require(0 < value < 0.9, key, "a share of the records, above 0 and below 0.9", value)


@dataclass(frozen=True)
class _SplitBase:
    file: str | None
    """A file of ids, or `madewithml` or `goemotions` for the published ones; null: the split is drawn."""
    key: str | None
    """Which of the splits in the file, where it holds several."""
    val_fraction: float
    """Share of the records that validates."""
    duplicate_similarity: float | None
    """Records whose texts are at least this alike (Jaccard similarity of word 3-grams, 0 to 1) stay on one side;
    null: only identical texts do."""

    def __post_init__(self) -> None:
        _check_fraction("split.val_fraction", self.val_fraction)
        s = self.duplicate_similarity
        _require(s is None or 0 < s <= 1, "split.duplicate_similarity", "null or a number in (0, 1]", s)
        _require(self.key is None or self.file is not None, "split.key", "null where split.file is null", self.key)


@dataclass(frozen=True)
class _ThreeSidesBase(_SplitBase):
    test_fraction: float
    """Share of the records that tests."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_fraction("split.test_fraction", self.test_fraction)
        total = self.val_fraction + self.test_fraction
        _require(total < 1, "split.val_fraction + split.test_fraction", "less than 1", total)


@dataclass(frozen=True)
class IterativeSplitConfig(_ThreeSidesBase):
    """Train, validation and test by iterative stratification (Sechidis et al., ECML PKDD 2011)."""

    name: Literal["iterative"]


@dataclass(frozen=True)
class DateSplitConfig(_ThreeSidesBase):
    """The newest records test, the ones before them validate, the oldest train."""

    name: Literal["date"]


@dataclass(frozen=True)
class KFoldSplitConfig(_SplitBase):
    """One of k stratified folds tests; validation is drawn from the others.

    With a `file`, the folds are cut of its train and validation records, and its test records are on no side.
    """

    name: Literal["kfold"]
    folds: int
    """How many folds."""
    fold: int
    """Which fold tests, from 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self.folds >= 2, "split.folds", "at least 2", self.folds)
        _require(0 <= self.fold < self.folds, "split.fold", f"0 to {self.folds - 1}", self.fold)


SplitConfig = IterativeSplitConfig | DateSplitConfig | KFoldSplitConfig


# ------------------------------------------------------------------------------------------------------------ sampler


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
        _require(0 < self.fraction <= 4, "sampler.fraction", "above 0 and at most 4", self.fraction)


@dataclass(frozen=True)
class UndersampleConfig:
    """ML-RUS: records that bear only frequent tags are left out (Charte et al., Neurocomputing 163, 2015)."""

    name: Literal["undersample"]
    fraction: float
    """How many records are left out each epoch, as a share of the training set."""

    def __post_init__(self) -> None:
        _require(0 < self.fraction < 1, "sampler.fraction", "above 0 and below 1", self.fraction)


@dataclass(frozen=True)
class RepeatFactorConfig:
    """Repeat-factor sampling (Gupta et al., LVIS, CVPR 2019, section 5.1)."""

    name: Literal["repeat_factor"]
    threshold: float
    """Tags that fewer than this share of the records bear are repeated."""

    def __post_init__(self) -> None:
        _require(0 < self.threshold < 1, "sampler.threshold", "above 0 and below 1", self.threshold)


SamplerConfig = NoSamplerConfig | OversampleConfig | UndersampleConfig | RepeatFactorConfig


# --------------------------------------------------------------------------------------------------------------- loss


def _check_beta(beta: float | None) -> None:
    _require(beta is None or 0 < beta < 1, "loss.beta", "null or above 0 and below 1", beta)


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
            _require(self.beta is None, "loss.beta", f"null with loss.weighting={self.weighting}", self.beta)
        _require(self.max_weight > 0, "loss.max_weight", "a positive number", self.max_weight)


@dataclass(frozen=True)
class FocalConfig:
    """Focal loss (Lin et al., ICCV 2017)."""

    name: Literal["focal"]
    gamma: float
    """How strongly easy cells are played down; 0 is binary cross-entropy."""
    alpha: float | None
    """Weight of positive cells, 1 − alpha that of negative ones; null: both weigh 1."""

    def __post_init__(self) -> None:
        _require(self.gamma >= 0, "loss.gamma", "at least 0", self.gamma)
        _require(self.alpha is None or 0 < self.alpha < 1, "loss.alpha", "null or above 0 and below 1", self.alpha)


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
        _require(self.gamma_positive >= 0, "loss.gamma_positive", "at least 0", self.gamma_positive)
        _require(self.gamma_negative >= 0, "loss.gamma_negative", "at least 0", self.gamma_negative)
        _require(0 <= self.clip < 1, "loss.clip", "0 to below 1", self.clip)


@dataclass(frozen=True)
class _NegativeTolerantBase:
    gamma: float
    """The focusing exponent; 0 turns the focal part off."""
    negative_scale: float
    """λ: how much slower negative cells are pushed down."""
    bias_shift: float
    """κ: the share of the tag's prior log-odds by which its logits are shifted."""

    def __post_init__(self) -> None:
        _require(self.gamma >= 0, "loss.gamma", "at least 0", self.gamma)
        _require(self.negative_scale > 0, "loss.negative_scale", "a positive number", self.negative_scale)
        _require(self.bias_shift >= 0, "loss.bias_shift", "at least 0", self.bias_shift)


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
        _require(self.positive_temperature > 0, "loss.positive_temperature", "above 0", self.positive_temperature)
        _require(self.negative_temperature > 0, "loss.negative_temperature", "above 0", self.negative_temperature)


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


# -------------------------------------------------------------------------------------------------------------- model


@dataclass(frozen=True)
class ModelConfig:
    """What stands between the tokens and the logits, beside the encoder."""

    pooling: Literal["mean", "cls", "max", "attention"]
    """How a text's token states become one vector; mean with the label-wise head, which attends for itself."""
    head: Literal["linear", "tag_names", "label_attention"]
    """A linear layer; one that starts from the encoded names of the tags; or an attention for each tag."""
    dropout: float
    """Dropout before the head."""
    encoder_dropout: float | None
    """Dropout inside the encoder; null: what the encoder was published with."""
    lexical: bool
    """Whether the words of a text and the names of tags in it speak beside the encoder, as far as validation records
    say that they should: a linear model on TF-IDF of tokens, and the taxonomy's names, inside the network."""
    init_from: str | None
    """A bundle to start from: its encoder, and its head's rows for the tags that both know."""

    def __post_init__(self) -> None:
        if self.head == "label_attention":
            expected = "mean with model.head=label_attention, which attends for itself"
            _require(self.pooling == "mean", "model.pooling", expected, self.pooling)
        _require(0 <= self.dropout < 1, "model.dropout", "0 to below 1", self.dropout)
        d = self.encoder_dropout
        _require(d is None or 0 <= d < 1, "model.encoder_dropout", "null or 0 to below 1", d)


@dataclass(frozen=True)
class NoAdapterConfig:
    """All weights of the encoder are trained."""

    name: Literal["none"]


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank adapters beside frozen encoder weights (Hu et al., ICLR 2022); merged into them in the bundle."""

    name: Literal["lora"]
    rank: int
    """r: the inner width of an adapter."""
    alpha: float
    """An adapter's output is scaled by alpha / rank."""
    dropout: float
    """Dropout before an adapter."""
    targets: tuple[str, ...] | None
    """Names of the linear layers that get one; null: every linear layer of the encoder."""

    def __post_init__(self) -> None:
        _require(self.rank >= 1, "adapter.rank", "at least 1", self.rank)
        _require(self.alpha > 0, "adapter.alpha", "a positive number", self.alpha)
        _require(0 <= self.dropout < 1, "adapter.dropout", "0 to below 1", self.dropout)
        _require(self.targets is None or len(self.targets) > 0, "adapter.targets", "null or at least one name", [])


AdapterConfig = NoAdapterConfig | LoraConfig


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
        _require(self.lr > 0 and math.isfinite(self.lr), "optim.lr", "a positive number", self.lr)
        _require(self.head_lr > 0 and math.isfinite(self.head_lr), "optim.head_lr", "a positive number", self.head_lr)
        _require(0 < self.layer_decay <= 1, "optim.layer_decay", "above 0 and at most 1", self.layer_decay)
        _require(self.weight_decay >= 0, "optim.weight_decay", "at least 0", self.weight_decay)
        _require(0 <= self.warmup < 1, "optim.warmup", "0 to below 1", self.warmup)
        _require(self.clip_norm is None or self.clip_norm > 0, "optim.clip_norm", "null or above 0", self.clip_norm)


# -------------------------------------------------------------------------------------------------------- calibration


@dataclass(frozen=True)
class SharedPlattConfig:
    """One Platt scaling for all tags, and a small ridge offset for each (Platt 1999; ridge toward the shared curve)."""

    name: Literal["shared_platt"]
    offset_ridge: float
    """Strength of the ridge on the offsets (unit: pseudo-records); larger is nearer to one curve for all."""

    def __post_init__(self) -> None:
        _require(self.offset_ridge > 0, "calibrator.offset_ridge", "a positive number", self.offset_ridge)


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
        _require(self.shrinkage >= 0, "thresholds.shrinkage", "at least 0", self.shrinkage)


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
        _require(0 < self.threshold < 1, "thresholds.threshold", "above 0 and below 1", self.threshold)


@dataclass(frozen=True)
class ConformalRecallThresholdsConfig:
    """The highest threshold for all tags that promises a mean recall a record (conformal risk control)."""

    name: Literal["conformal_recall"]
    recall: float
    """Share of a record's tags that are accepted, in expectation, on records like those of validation."""

    def __post_init__(self) -> None:
        _require(0 < self.recall < 1, "thresholds.recall", "above 0 and below 1", self.recall)


ThresholdsConfig = (
    ShrunkThresholdsConfig
    | GlobalThresholdConfig
    | PerTagThresholdsConfig
    | PlugInThresholdsConfig
    | FixedThresholdConfig
    | ConformalRecallThresholdsConfig
)


# ------------------------------------------------------------------------------------------------ trainer, evaluation


@dataclass(frozen=True)
class TrainerConfig:
    """Where and how long training runs."""

    accelerator: Literal["cpu", "gpu", "auto"]
    """The hardware; auto: a GPU where there is one."""
    strategy: Literal["single", "ddp", "fsdp"]
    """One process; several, each with a copy of the model; or several that share the model's weights among them."""
    devices: int | None
    """Processes on this machine; null: as many as torchrun or Slurm has started, else one for each GPU (single: one; on
    a CPU: one)."""
    num_nodes: int | None
    """Machines, under torchrun or Slurm; null: as many as they have started processes on."""
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
    """Numeric precision of training; auto: bf16-mixed on a GPU that has it, or in a single process on a processor that
    has it, else 32-true. What a finished network says is always computed in float32."""
    compile: bool
    """Whether the encoder runs through torch.compile."""
    gradient_checkpointing: bool
    """Whether the encoder forgets activations and computes them again: less memory, about a third slower."""
    batch_size: int | None
    """Records in a batch, over all processes; null: 16, and up to 64 where the fewest epochs would else take more than
    four times `steps`."""
    eval_batch_size: int
    """Records in a batch when nothing is learned."""
    accumulate: int
    """Batches that make one optimizer step."""
    max_epochs: int | None
    """Epochs; null: as many as reach `steps`, within `epoch_range`."""
    steps: int
    """Optimizer steps to aim at where `max_epochs` is null."""
    epoch_range: tuple[int, int]
    """The fewest and the most epochs where `max_epochs` is null."""
    patience: int | None
    """Training stops after this many epochs without a better `monitor`; null: never."""
    checkpoint_steps: int | None
    """Optimizer steps between two resume points within an epoch; null: only at the end of each."""
    monitor: str
    """The validation metric that checkpoints, early stopping and sweeps go by; losses and errors are minimised."""

    def __post_init__(self) -> None:
        for key in ("eval_batch_size", "accumulate", "steps"):
            _require(getattr(self, key) >= 1, f"trainer.{key}", "at least 1", getattr(self, key))
        for key in ("batch_size", "devices", "num_nodes", "max_epochs", "patience", "checkpoint_steps"):
            value = getattr(self, key)
            _require(value is None or value >= 1, f"trainer.{key}", "null or at least 1", value)
        if self.accelerator == "cpu":
            _require(self.precision != "16-mixed", "trainer.precision", "another one on a CPU", self.precision)
        if self.strategy == "fsdp":
            # Lightning scales no losses where each process has a part of the gradients alone.
            expected = "auto, bf16-mixed or 32-true with trainer.strategy=fsdp"
            _require(self.precision != "16-mixed", "trainer.precision", expected, self.precision)
        if self.strategy == "single":
            _require(
                self.devices in (None, 1), "trainer.devices", "null or 1 with trainer.strategy=single", self.devices
            )
            _require(
                self.num_nodes in (None, 1),
                "trainer.num_nodes",
                "null or 1 with trainer.strategy=single",
                self.num_nodes,
            )
        low, high = self.epoch_range
        _require(1 <= low <= high, "trainer.epoch_range", "[fewest, most] with 1 <= fewest <= most", [low, high])


@dataclass(frozen=True)
class EvaluationConfig:
    """What is measured beside the model, and how surely."""

    bootstrap_samples: int
    """Resamples of the records behind every interval."""
    confidence: float
    """Coverage of the intervals."""
    at_k: tuple[int, ...]
    """The k of precision and recall at k."""
    baselines: tuple[str, ...]
    """Baselines that run on the same split: prior, rules, tfidf_logreg, tfidf_svm."""
    on_collapse: Literal["warn", "error"]
    """What a model that predicts nothing, everything or the base rate does to the run."""

    def __post_init__(self) -> None:
        _require(self.bootstrap_samples >= 50, "evaluation.bootstrap_samples", "at least 50", self.bootstrap_samples)
        _require(0.5 <= self.confidence < 1, "evaluation.confidence", "0.5 to below 1", self.confidence)
        _require(all(k >= 1 for k in self.at_k), "evaluation.at_k", "numbers of at least 1", list(self.at_k))
        known = ("prior", "rules", "tfidf_logreg", "tfidf_svm")
        repeated = len(set(self.baselines)) < len(self.baselines)
        _require(not repeated, "evaluation.baselines", "each of them once", list(self.baselines))
        for name in self.baselines:
            if name not in known:
                raise ConfigError(
                    f"evaluation.baselines: expected some of {', '.join(known)}, found {name!r}" + nearest(name, known)
                )


@dataclass(frozen=True)
class NoLoggerConfig:
    """Nothing beside the files of the run's own directory."""

    name: Literal["none"]


@dataclass(frozen=True)
class TensorBoardConfig:
    """Event files in RUN/tensorboard."""

    name: Literal["tensorboard"]


@dataclass(frozen=True)
class MLflowConfig:
    """A run in an MLflow experiment."""

    name: Literal["mlflow"]
    uri: str | None
    """The tracking server; null: an SQLite file in the run's directory."""
    experiment: str
    """The experiment that the run belongs to."""


@dataclass(frozen=True)
class WandbConfig:
    """A Weights & Biases run."""

    name: Literal["wandb"]
    project: str
    """The project that the run belongs to."""
    offline: bool
    """Whether all stays in the run's directory, for `wandb sync` to send later."""


@dataclass(frozen=True)
class TrackioConfig:
    """A trackio run: a local dashboard, `trackio show`."""

    name: Literal["trackio"]
    project: str
    """The project that the run belongs to."""


LoggerConfig = NoLoggerConfig | TensorBoardConfig | MLflowConfig | WandbConfig | TrackioConfig


@dataclass(frozen=True)
class RunConfig:
    """One run: its name, place and seed."""

    name: str
    """What the run is called in its report."""
    dir: str | None
    """Its directory; null: runs/NAME/DATE_TIME."""
    seed: int
    """Every random choice follows from it."""
    test: bool
    """Whether the test records are measured; false while settings are still being chosen, as in a sweep."""

    def __post_init__(self) -> None:
        # It becomes the name of a folder.
        bad = self.name.strip() in ("", ".", "..") or set(self.name) & set("/\\\0")
        _require(not bad, "run.name", "a name without slashes", self.name)
        _require(self.dir != "", "run.dir", "null or the path of a folder", self.dir)
        _require(0 <= self.seed < 2**31, "run.seed", "0 to 2147483647", self.seed)


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
        _require(self.encoder != "", "encoder", "a name or the path of a folder", self.encoder)
