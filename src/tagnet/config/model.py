"""The network, and adapters in its encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tagnet.config.require import require


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
            require(self.pooling == "mean", "model.pooling", expected, self.pooling)
        require(0 <= self.dropout < 1, "model.dropout", "0 to below 1", self.dropout)
        d = self.encoder_dropout
        require(d is None or 0 <= d < 1, "model.encoder_dropout", "null or 0 to below 1", d)


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
        require(self.rank >= 1, "adapter.rank", "at least 1", self.rank)
        require(self.alpha > 0, "adapter.alpha", "a positive number", self.alpha)
        require(0 <= self.dropout < 1, "adapter.dropout", "0 to below 1", self.dropout)
        require(self.targets is None or len(self.targets) > 0, "adapter.targets", "null or at least one name", [])


AdapterConfig = NoAdapterConfig | LoraConfig
