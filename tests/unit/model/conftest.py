"""Tiny random encoders of several architectures, each saved to a folder with a tokenizer of its kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModel, PreTrainedTokenizerFast
from transformers.utils import logging

TEXTS = [
    "a tiny sql engine in rust",
    "graph neural networks for molecules",
    "Ünïcode “quotes” & emoji 🎉 with {braces}",
    "transformers at scale: attention is all you need",
]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
NAMES = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"}
SIZES = {"vocab_size": 420, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "pad_token_id": 1}
WIDTH = {**SIZES, "intermediate_size": 64}


def byte_level(special: bool = True) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    if special:
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return tokenizer


def sentence_piece() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def no_special() -> Tokenizer:
    return byte_level(special=False)


# Each with room for 48 tokens of input.
ARCHITECTURES: dict[str, tuple[str, dict[str, Any], Callable[[], Tokenizer]]] = {
    "roberta": ("RobertaConfig", {**WIDTH, "max_position_embeddings": 50}, byte_level),
    "xlm-roberta": ("XLMRobertaConfig", {**WIDTH, "max_position_embeddings": 50}, sentence_piece),
    "mpnet": ("MPNetConfig", {**WIDTH, "max_position_embeddings": 50}, byte_level),
    "distilbert": (
        "DistilBertConfig",
        {"vocab_size": 420, "dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 48},
        byte_level,
    ),
    "deberta-v2": (
        "DebertaV2Config",
        {
            **WIDTH,
            "max_position_embeddings": 48,
            "relative_attention": True,
            "position_buckets": 16,
            "pos_att_type": ["p2c", "c2p"],
            "norm_rel_ebd": "layer_norm",
            "position_biased_input": False,
        },
        sentence_piece,
    ),
    "modernbert": (
        "ModernBertConfig",
        {
            **WIDTH,
            "max_position_embeddings": 48,
            "bos_token_id": 0,
            "eos_token_id": 2,
            "cls_token_id": 0,
            "sep_token_id": 2,
            "global_attn_every_n_layers": 2,
            "local_attention": 8,
        },
        byte_level,
    ),
    "gpt2": (
        "GPT2Config",
        {
            "vocab_size": 420,
            "n_embd": 32,
            "n_layer": 2,
            "n_head": 2,
            "n_positions": 48,
            "bos_token_id": 0,
            "eos_token_id": 2,
        },
        no_special,
    ),
}


@pytest.fixture(scope="session", params=list(ARCHITECTURES))
def architecture(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def save_encoder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Saves a tiny random encoder of an architecture, once for each set of arguments."""
    saved: dict[tuple[Any, ...], Path] = {}

    def save(architecture: str = "roberta", *, tokenizer: bool = True, dtype: torch.dtype = torch.float32) -> Path:
        key = (architecture, tokenizer, dtype)
        if key not in saved:
            folder = tmp_path_factory.mktemp(architecture)
            name, settings, make_tokenizer = ARCHITECTURES[architecture]
            bars = logging.is_progress_bar_enabled()
            logging.disable_progress_bar()  # type: ignore[no-untyped-call]
            torch.manual_seed(0)
            config = getattr(transformers, name)(**settings)
            AutoModel.from_config(config).to(dtype).save_pretrained(folder)  # type: ignore[no-untyped-call]
            if bars:
                logging.enable_progress_bar()  # type: ignore[no-untyped-call]
            if tokenizer:
                special = {} if make_tokenizer is no_special else NAMES
                make: Any = PreTrainedTokenizerFast
                make(tokenizer_object=make_tokenizer(), **special).save_pretrained(folder)
            saved[key] = folder
        return saved[key]

    return save
