"""The network: token ids in, logits out.

Shapes: S sequences (one or more windows of each text), B texts, T tokens, H hidden width, K tags.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tagnet.config import ModelConfig
from tagnet.errors import ConfigError
from tagnet.model.encoder import Encoder
from tagnet.model.head import LabelAttentionHead, LinearHead
from tagnet.model.lexical import LexicalEvidence
from tagnet.model.packed import packed_states
from tagnet.model.pooling import make_pooling


class TaggerNetwork(nn.Module):
    """Encoder, pooling, dropout and head in one module; and lexical evidence, once it has been fitted."""

    lexical: LexicalEvidence | None
    """What words and names add to the logits; None: nothing, as while the other weights are trained."""
    packed: bool
    """Whether the encoder computes nothing at padding while it is trained; for those that `can_pack` alone."""

    def __init__(self, encoder: Encoder, config: ModelConfig, num_tags: int) -> None:
        super().__init__()
        self.encoder = encoder.module
        self.lexical = None
        self.packed = False
        self.dropout = nn.Dropout(config.dropout)
        self.head: LinearHead | LabelAttentionHead
        if config.head == "label_attention":
            # The head attends for itself. What `embed` pools by then must hold no weights that nothing would train.
            self.pooling = make_pooling("mean", encoder.hidden_size)
            self.head = LabelAttentionHead(encoder.hidden_size, num_tags)
        else:
            self.pooling = make_pooling(config.pooling, encoder.hidden_size)
            self.head = LinearHead(encoder.hidden_size, num_tags)

    def forward(self, input_ids_ST: Tensor, mask_ST: Tensor, text_of_S: Tensor | None = None) -> Tensor:
        """Logits of a batch.

        Args:
            input_ids_ST: token ids.
            mask_ST: 1 at tokens, 0 at padding; at least one token in each row.
            text_of_S: which text each sequence is a window of, 0 to B − 1 in ascending order, none left out; None: one
                sequence a text.

        Returns:
            Logits, (B, K). A text of several windows has each tag's largest logit: some part of it speaks for the tag.
        """
        logits_SK = self.head(self.read(input_ids_ST, mask_ST), mask_ST)
        if self.lexical is not None:
            logits_SK = logits_SK.float() + self.lexical(input_ids_ST, mask_ST)
        return logits_SK if text_of_S is None else max_over_windows(logits_SK, text_of_S)

    def read(self, input_ids_ST: Tensor, mask_ST: Tensor) -> Tensor:
        """What the head looks at, after dropout: pooled vectors, (S, H), or with label attention states, (S, T, H)."""
        if self.packed and self.training:
            states_STH = packed_states(self.encoder, input_ids_ST, mask_ST)
        else:
            states_STH = self.encoder(input_ids=input_ids_ST, attention_mask=mask_ST).last_hidden_state
        pools = not isinstance(self.head, LabelAttentionHead)
        read: Tensor = self.dropout(self.pooling(states_STH, mask_ST) if pools else states_STH)
        return read

    def embed(self, input_ids_ST: Tensor, mask_ST: Tensor) -> Tensor:
        """Pooled vectors of the sequences, (S, H); under label-wise attention the mean of their tokens."""
        states_STH = self.encoder(input_ids=input_ids_ST, attention_mask=mask_ST).last_hidden_state
        pooled: Tensor = self.pooling(states_STH, mask_ST)
        return pooled


def max_over_windows(logits_SK: Tensor, text_of_S: Tensor) -> Tensor:
    """The largest logit of each tag over a text's windows: (B, K). `text_of_S` ascends from 0 and leaves none out.

    >>> max_over_windows(torch.tensor([[1.0], [5.0], [2.0]]), torch.tensor([0, 0, 1]))
    tensor([[5.],
            [2.]])
    """
    num_texts = int(text_of_S[-1]) + 1
    start_BK = logits_SK.new_full((num_texts, logits_SK.shape[1]), -torch.inf)
    return start_BK.scatter_reduce(0, text_of_S[:, None].expand_as(logits_SK), logits_SK, "amax")


def enable_gradient_checkpointing(encoder: nn.Module) -> None:
    """Let the encoder compute activations again instead of keeping them (Chen et al., arXiv 1604.06174).

    Raises:
        ConfigError: this kind of encoder cannot.
    """
    if not getattr(encoder, "supports_gradient_checkpointing", False):
        raise ConfigError(
            f"trainer.gradient_checkpointing: expected false, for {type(encoder).__name__} cannot do it; found true"
        )
    # Decoders keep keys and values for a next token that nobody asks for; transformers would say that it cannot here.
    config: Any = getattr(encoder, "config", None)
    if hasattr(config, "use_cache"):
        config.use_cache = False
    settings = {"use_reentrant": False}
    if hasattr(encoder, "activation_checkpointing_enable"):  # its name in newer transformers
        encoder.activation_checkpointing_enable(settings)  # type: ignore[operator]
    else:
        encoder.gradient_checkpointing_enable(settings)  # type: ignore[operator]
