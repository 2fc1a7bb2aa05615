"""`--to huggingface`: a folder that the transformers library loads without tagnet.

Calibration is folded into the head: scale · (w·h + b) + offset = (scale · w)·h + (scale · b + offset). Where the
encoder has a stock class whose own pooling can be made ours, and no words speak beside it, the folder needs no code;
else modeling_tagnet.py goes with it. Of BERT, RoBERTa, MPNet, ELECTRA, DistilBERT and ModernBERT the stock classes put
a tanh, a GELU, a ReLU or a normalization between pooling and head, which no choice of weights takes out again.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AutoConfig, PretrainedConfig

from tagnet.atomic import write_json, write_text, write_with
from tagnet.bundle import Bundle, load_tokenizer
from tagnet.calibration.rule import DecisionRule
from tagnet.export import modeling_tagnet
from tagnet.export.modeling_tagnet import TagnetConfig, TagnetForSequenceClassification
from tagnet.model.lexical import LONGEST_NAME, LexicalEvidence, hash_of
from tagnet.model.network import TaggerNetwork

MODELING_FILE = "modeling_tagnet.py"
_STOCK = {"deberta": "DebertaForSequenceClassification", "deberta-v2": "DebertaV2ForSequenceClassification"}
"""Architectures whose stock class reads the first token through one linear layer and an activation of choice."""


def write_huggingface(bundle: Bundle, network: TaggerNetwork, folder: Path) -> None:
    """Write config.json, model.safetensors, the tokenizer's files and, where it is needed, modeling_tagnet.py."""
    tokenizer = load_tokenizer(bundle)
    weights = fold_calibration(network.state_dict(), bundle.rule)
    settings = {**label_settings(bundle.tags), "tagnet": text_settings(bundle, tokenizer)}
    if fits_stock_class(bundle):
        config, weights = _stock(bundle, weights, settings)
    else:
        config = _with_code(bundle, network, settings)
        shutil.copyfile(str(modeling_tagnet.__file__), folder / MODELING_FILE)
    config.dtype = "float32"
    write_text(folder / "config.json", config.to_json_string())
    write_with(folder / "model.safetensors", lambda path: _save(weights, path))
    shutil.copyfile(bundle.folder / "tokenizer.json", folder / "tokenizer.json")
    write_json(folder / "tokenizer_config.json", tokenizer_settings(bundle, tokenizer))


def fits_stock_class(bundle: Bundle) -> bool:
    """Whether transformers' own classes compute what the bundle computes."""
    return (
        not bundle.model.lexical
        and bundle.encoder_config.get("model_type") in _STOCK
        and bundle.model.pooling == "cls"
        and bundle.model.head != "label_attention"
        and bundle.text.window_overlap is None
    )


def fold_calibration(weights: Mapping[str, Tensor], rule: DecisionRule) -> dict[str, Tensor]:
    """The network's weights with a head whose logits are calibrated; computed in float64, kept in float32."""
    folded = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    weight, bias_K = folded["head.weight"].double(), folded["head.bias"].double()
    folded["head.weight"] = (rule.scale * weight).float()
    folded["head.bias"] = (rule.scale * bias_K + torch.from_numpy(rule.offsets_K.copy())).float()
    # What words and names add is scaled alike.
    for name in ("lexical.word_weights_KF", "lexical.word_bias_K", "lexical.name_weight"):
        if name in folded:
            folded[name] = (rule.scale * folded[name].double()).float()
    return folded


def label_settings(tags: tuple[str, ...]) -> dict[str, Any]:
    """What config.json says of the tags."""
    return {
        "problem_type": "multi_label_classification",
        "id2label": dict(enumerate(tags)),
        "label2id": {tag: place for place, tag in enumerate(tags)},
    }


def text_settings(bundle: Bundle, tokenizer: Tokenizer) -> dict[str, Any]:
    """The key `tagnet` of config.json: from a record to its text, its tokens and its tags."""
    special = tokenizer.encode("a").special_tokens_mask
    return {
        "text_template": bundle.text.template,
        "thresholds": dict(zip(bundle.tags, bundle.rule.thresholds_K.tolist(), strict=True)),
        "feature_tokens": dict(bundle.text.feature_tokens),
        "max_tokens": bundle.text.max_tokens,
        "window_overlap": bundle.text.window_overlap,
        "pad_id": bundle.pad_id,
        "tokens_before": special.index(0) if 0 in special else 0,
        "tokens_after": special[::-1].index(0) if 0 in special else 0,
        "model_version": bundle.fingerprint,
    }


def tokenizer_settings(bundle: Bundle, tokenizer: Tokenizer) -> dict[str, Any]:
    """What tokenizer_config.json says."""
    settings: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": ["input_ids", "attention_mask"],
        "padding_side": "right",
        "truncation_side": "right",
        "clean_up_tokenization_spaces": False,
    }
    if bundle.text.window_overlap is None:
        settings["model_max_length"] = bundle.text.max_tokens
    # An ordinary word that fills up batches must not become a special one: the tokenizer would cut texts at it.
    pad = tokenizer.get_added_tokens_decoder().get(bundle.pad_id)
    if pad is not None and pad.special:
        settings["pad_token"] = pad.content
    return settings


def _lexical_settings(evidence: LexicalEvidence) -> dict[str, Any]:
    """The sizes by which modeling_tagnet.py makes room for lexical evidence."""
    return {
        "vocabulary": len(evidence.column_of_token_V),
        "columns": len(evidence.idf_F),
        "names_of_length": evidence.names_of_length_L.tolist(),
        "factors": [hash_of([0] * before + [1]) for before in range(LONGEST_NAME)],
    }


def _with_code(bundle: Bundle, network: TaggerNetwork, settings: Mapping[str, Any]) -> PretrainedConfig:
    config = TagnetConfig(
        encoder=dict(bundle.encoder_config),
        pooling=bundle.model.pooling,
        head="label_attention" if bundle.model.head == "label_attention" else "linear",
        lexical=None if network.lexical is None else _lexical_settings(network.lexical),
        **settings,
    )
    module = MODELING_FILE.removesuffix(".py")
    config.architectures = [TagnetForSequenceClassification.__name__]
    config.auto_map = {
        "AutoConfig": f"{module}.{TagnetConfig.__name__}",
        "AutoModelForSequenceClassification": f"{module}.{TagnetForSequenceClassification.__name__}",
    }
    return config


def _stock(
    bundle: Bundle, weights: Mapping[str, Tensor], settings: Mapping[str, Any]
) -> tuple[PretrainedConfig, dict[str, Tensor]]:
    """The stock class's config and weights; its pooler becomes the identity."""
    encoder = dict(bundle.encoder_config)
    architecture, width = encoder.pop("model_type"), encoder["hidden_size"]
    encoder |= {"pooler_hidden_act": "linear", "pooler_hidden_size": width, "pooler_dropout": 0.0}
    config = AutoConfig.for_model(architecture, **{**encoder, **settings})
    config.architectures = [_STOCK[architecture]]
    stock = {
        name.replace("encoder.", "deberta.", 1): each for name, each in weights.items() if name.startswith("encoder.")
    }
    stock |= {"pooler.dense.weight": torch.eye(width), "pooler.dense.bias": torch.zeros(width)}
    stock |= {"classifier.weight": weights["head.weight"], "classifier.bias": weights["head.bias"]}
    return config, stock


def _save(weights: dict[str, Tensor], path: Path) -> None:
    try:
        save_file(weights, path, metadata={"format": "pt"})
    except SafetensorError as error:
        # How safetensors reports a full disk.
        raise OSError(str(error)) from error
