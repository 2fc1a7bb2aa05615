"""Encoders of several architectures, from folders; and what is said when there is none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from tagnet.errors import EncoderError
from tagnet.model.embedded import EMBEDDED_ENCODER
from tagnet.model.encoder import build_encoder, load_encoder

TEXTS = ["a tiny sql engine", "", "Ünïcode “quotes” 🎉 {braces}"]


def run(module: torch.nn.Module, ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        states: torch.Tensor = module.eval()(
            input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long)
        ).last_hidden_state
    return states


# ------------------------------------------------------------------------------------------------------ architectures


def test_what_is_said_of_an_encoder_is_so(architecture: str, save_encoder: Callable[..., Path]) -> None:
    folder = save_encoder(architecture)
    encoder = load_encoder(str(folder))
    assert encoder.source == str(folder)
    assert encoder.hidden_size == 32
    assert encoder.max_tokens == 48
    assert encoder.pad_id == {"distilbert": 0, "gpt2": 0}.get(architecture, 1)
    ids = list(range(5, 5 + encoder.max_tokens))
    assert run(encoder.module, ids).shape == (1, encoder.max_tokens, 32)


def test_token_ids_are_those_of_transformers(architecture: str, save_encoder: Callable[..., Path]) -> None:
    folder = save_encoder(architecture)
    encodings = load_encoder(str(folder)).tokenizer.encode_batch(TEXTS)
    assert [encoding.ids for encoding in encodings] == AutoTokenizer.from_pretrained(folder)(TEXTS)["input_ids"]


def test_an_encoder_is_built_again_from_its_json(architecture: str, save_encoder: Callable[..., Path]) -> None:
    loaded = load_encoder(str(save_encoder(architecture)))
    config = json.loads(json.dumps(loaded.config))
    assert config == loaded.config
    assert str(save_encoder(architecture)) not in json.dumps(config)
    again = build_encoder(config, loaded.tokenizer, source="again")
    again.module.load_state_dict(loaded.module.state_dict())
    torch.testing.assert_close(run(again.module, [0, 7, 8, 2]), run(loaded.module, [0, 7, 8, 2]), rtol=0, atol=0)
    assert again.config == config
    assert (again.pad_id, again.hidden_size) == (loaded.pad_id, loaded.hidden_size)


def test_dropout_inside_is_replaced(architecture: str, save_encoder: Callable[..., Path]) -> None:
    folder = str(save_encoder(architecture))

    def rates(dropout: float | None) -> set[float]:
        modules = load_encoder(folder, dropout=dropout).module.modules()
        return {module.p for module in modules if isinstance(module, torch.nn.Dropout)}

    assert rates(0.25) == {0.25}
    assert rates(None) != {0.25}


def test_no_pooler_is_kept(architecture: str, save_encoder: Callable[..., Path]) -> None:
    names = [name for name, _ in load_encoder(str(save_encoder(architecture))).module.named_parameters()]
    assert names
    assert not [name for name in names if "pooler" in name]


def test_half_precision_weights_become_float32(save_encoder: Callable[..., Path]) -> None:
    encoder = load_encoder(str(save_encoder("roberta", dtype=torch.bfloat16)))
    assert {parameter.dtype for parameter in encoder.module.parameters()} == {torch.float32}
    again = build_encoder({**encoder.config, "dtype": "bfloat16"}, encoder.tokenizer, source="again")
    assert {parameter.dtype for parameter in again.module.parameters()} == {torch.float32}


def test_the_limit_of_the_tokenizer_counts_too(save_encoder: Callable[..., Path], tmp_path: Path) -> None:
    folder = shutil.copytree(save_encoder("roberta"), tmp_path / "short")
    settings = folder / "tokenizer_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "model_max_length": 20}))
    assert load_encoder(str(folder)).max_tokens == 20


def test_nothing_is_said_while_loading(
    save_encoder: Callable[..., Path], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(save_encoder("roberta"))
    capfd.readouterr()
    load_encoder(folder)
    assert capfd.readouterr() == ("", "")


# ------------------------------------------------------------------------------------------------- embedded and tiny


def test_the_embedded_encoder_is_the_published_one() -> None:
    encoder = load_encoder(EMBEDDED_ENCODER)
    assert (encoder.hidden_size, encoder.max_tokens, encoder.pad_id) == (384, 512, 0)
    assert encoder.tokenizer.encode("tiny").tokens == ["[CLS]", "tiny", "[SEP]"]
    assert encoder.source == EMBEDDED_ENCODER


def test_the_tiny_encoder_is_always_the_same_and_disturbs_no_seed() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = load_encoder("tiny")
    assert torch.equal(torch.rand(3), expected)
    second = load_encoder("tiny", dropout=0.5)
    for name, value in first.module.state_dict().items():
        assert torch.equal(value, second.module.state_dict()[name]), name
    assert first.config["hidden_dropout_prob"] == 0.1
    assert second.config["hidden_dropout_prob"] == 0.5


def test_an_architecture_that_is_not_known_is_one_clear_error() -> None:
    tokenizer = load_encoder("tiny").tokenizer
    for config in ({"model_type": "of-the-future"}, {}, {"model_type": "bert", "hidden_size": "wide"}):
        with pytest.raises(EncoderError, match="encoder=x: the installed transformers cannot build"):
            build_encoder(config, tokenizer, source="x")
