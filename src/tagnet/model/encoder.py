"""Encoders: the embedded one, a tiny random one for tests, and any other from a folder or the Hugging Face hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn

from tagnet.errors import EncoderError
from tagnet.model.embedded import EMBEDDED_ENCODER, embedded_folder, load_embedded
from tagnet.model.pretrained import first_line, load_pretrained

TINY_ENCODER = "tiny"

# They number positions from pad_token_id + 1 on, so that their first rows of positions are never used.
_POSITIONS_AFTER_PADDING = frozenset(
    {
        "camembert",
        "data2vec-text",
        "ibert",
        "longformer",
        "luke",
        "mpnet",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    }
)
_FALLBACK_LIMIT = 512


@dataclass(frozen=True)
class Encoder:
    """A transformer with its tokenizer."""

    module: nn.Module
    """Takes `input_ids` and `attention_mask`, both (B, T); gives an object with `last_hidden_state`, (B, T, H)."""
    config: Mapping[str, Any]
    """The architecture, as `transformers` writes it to config.json; plain JSON values without any path."""
    tokenizer: Tokenizer
    """Without padding and truncation: who uses it sets them."""
    pad_id: int
    """The token id that fills up a batch."""
    hidden_size: int
    """H, the width of a token state."""
    max_tokens: int
    """The most tokens, special ones included, that fit."""
    source: str
    """What it was asked for by."""


def load_encoder(name: str, *, dropout: float | None = None) -> Encoder:
    """Load an encoder with its published weights.

    A hub name is looked up in the local cache first; only what is not there is asked of the hub, and a hub that does
    not answer is an error at once.

    Args:
        name: `all-MiniLM-L6-v2` (embedded), `tiny` (2 layers, 32 wide, random), a folder, or a hub name.
        dropout: replaces the dropout inside the encoder; None keeps what it was published with.

    Raises:
        EncoderError: it cannot be found, has no safetensors weights or no tokenizer, is no encoder of text, or the
            embedded weights are not the published ones.
    """
    if name == TINY_ENCODER:
        return _tiny(dropout)
    if name == EMBEDDED_ENCODER:
        module, tokenizer, limit = load_embedded(dropout)
    else:
        module, tokenizer, limit = load_pretrained(name, dropout, known=(EMBEDDED_ENCODER, TINY_ENCODER))
    return _describe(module, tokenizer, name, limit)


def build_encoder(config: Mapping[str, Any], tokenizer: Tokenizer, *, source: str) -> Encoder:
    """Build an encoder of a given architecture with weights still to be filled in, as a bundle does.

    Raises:
        EncoderError: the installed transformers does not know this architecture.
    """
    from transformers import AutoConfig, AutoModel

    settings = dict(config)
    architecture = str(settings.pop("model_type", None))
    try:
        hf_config = AutoConfig.for_model(architecture, **settings)
        module = AutoModel.from_config(hf_config, dtype=torch.float32)  # type: ignore[no-untyped-call]
    except Exception as error:  # transformers raises whatever its checks of the settings raise
        raise EncoderError(
            f"encoder={source}: the installed transformers cannot build its architecture {architecture!r} "
            f"({first_line(error)}); use the version that it was saved with."
        ) from error
    return _describe(module, tokenizer, source)


def _tiny(dropout: float | None) -> Encoder:
    from transformers import BertConfig, BertModel

    tokenizer = Tokenizer.from_file(str(embedded_folder() / "tokenizer.json"))
    rate = 0.1 if dropout is None else dropout
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        hidden_dropout_prob=rate,
        attention_probs_dropout_prob=rate,
    )
    # Random weights, yet the same ones in every run, whatever its seed; and the run's own numbers are not touched.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = BertModel(config, add_pooling_layer=False)
    return _describe(module, tokenizer, TINY_ENCODER)


def _describe(module: nn.Module, tokenizer: Tokenizer, source: str, limit: int | None = None) -> Encoder:
    config: Any = module.config
    # The published pooler was trained for another task; we pool ourselves, and unused weights would break DDP.
    if getattr(module, "pooler", None) is not None:
        module.pooler = None  # type: ignore[assignment]
    if not isinstance(getattr(config, "hidden_size", None), int):
        raise EncoderError(f"encoder={source}: expected an encoder of text, found a {config.model_type}")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    pad_id = getattr(config, "pad_token_id", None) or 0
    plain = json.loads(config.to_json_string(use_diff=False))
    plain.pop("_name_or_path", None)
    return Encoder(
        module=module,
        config=plain,
        tokenizer=tokenizer,
        pad_id=pad_id,
        hidden_size=config.hidden_size,
        max_tokens=most_tokens(config, pad_id, limit),
        source=source,
    )


def most_tokens(config: Any, pad_id: int, limit: int | None) -> int:
    """The smaller of what the positions hold and what the tokenizer's settings say, where they say anything."""
    positions = getattr(config, "max_position_embeddings", None) or 0
    if positions > 0 and config.model_type in _POSITIONS_AFTER_PADDING:
        positions -= pad_id + 1
    known = [number for number in (positions, limit or 0) if number > 0]
    return min(known, default=_FALLBACK_LIMIT)
