"""Every way in which an encoder can be missing or wrong is one short error, soon."""

from __future__ import annotations

import json
import pickle
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.utils._validators import validate_repo_id
from safetensors.torch import load_file, save_file
from transformers import AutoModel, BertConfig, T5Config, T5Model

from tagnet.errors import EncoderError
from tagnet.model.encoder import load_encoder
from tagnet.model.pretrained import ask_hub, load_pretrained


@pytest.fixture
def folder(save_encoder: Callable[..., Path], tmp_path: Path) -> Path:
    """A whole encoder, to damage."""
    return shutil.copytree(save_encoder("roberta"), tmp_path / "encoder")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Exception | None], list[str]]:
    """A hub that answers every question with an exception, or with nothing; nothing is cached."""
    asked: list[str] = []

    def answer_with(error: Exception | None) -> list[str]:
        def model_info(self: object, name: str, **more: Any) -> None:
            validate_repo_id(name)
            asked.append(name)
            if error is not None:
                raise error

        monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
        return asked

    return answer_with


def message_of(name: str) -> str:
    with pytest.raises(EncoderError) as caught:
        load_encoder(name)
    message = str(caught.value)
    assert 1 <= len(message.splitlines()) <= 3
    assert f"encoder={name}" in message
    return message


# ---------------------------------------------------------------------------------------------------------- the hub


def test_a_hub_that_does_not_answer_is_asked_once_and_soon_given_up(hub: Callable[..., list[str]]) -> None:
    asked = hub(ConnectionError("Name or service not known"))
    load_encoder("tiny")
    start = time.perf_counter()
    message = message_of("nobody/no-such-encoder")
    assert time.perf_counter() - start < 5
    assert asked == ["nobody/no-such-encoder"]
    assert "did not answer (Name or service not known)" in message
    assert "hf download nobody/no-such-encoder --local-dir DIR" in message
    assert "encoder=all-MiniLM-L6-v2" in message


def test_a_name_that_the_hub_does_not_have(hub: Callable[..., list[str]]) -> None:
    error = RepositoryNotFoundError.__new__(RepositoryNotFoundError)
    hub(error)
    message = message_of("all-minilm-l6-v2")
    assert "has no such model" in message
    assert "did you mean all-MiniLM-L6-v2?" in message


@pytest.mark.parametrize("name", ["./missing/dir", "some/where/else", "/nowhere", "~/nowhere/at/all"])
def test_a_path_that_is_not_there_is_not_looked_for_on_the_hub(name: str, hub: Callable[..., list[str]]) -> None:
    asked = hub(None)
    assert "no such folder" in message_of(name)
    assert asked == []


def test_a_misspelt_folder_names_the_nearest(folder: Path, hub: Callable[..., list[str]]) -> None:
    hub(None)
    assert f"did you mean {folder}?" in message_of(f"{folder}s")


def test_a_hub_that_knows_the_name_is_no_error(hub: Callable[..., list[str]]) -> None:
    asked = hub(None)
    ask_hub("somebody/encoder", ())
    assert asked == ["somebody/encoder"]


def test_a_folder_below_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    assert load_encoder("~/encoder").hidden_size == 32


# ---------------------------------------------------------------------------------------------------- broken folders


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert "tokenizer" in message_of(str(folder))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_damaged_file(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:50])
    assert "expected" in message_of(str(folder))


def test_an_empty_folder(tmp_path: Path) -> None:
    assert "expected config.json, model.safetensors and a tokenizer" in message_of(str(tmp_path))


def test_nothing_is_unpickled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")

    def refuse(*values: object, **more: object) -> NoReturn:
        pytest.fail("something was unpickled")

    for module, name in ((torch, "load"), (pickle, "load"), (pickle, "loads"), (pickle, "Unpickler")):
        monkeypatch.setattr(module, name, refuse)
    assert "model.safetensors" in message_of(str(folder))


def test_weights_of_another_architecture(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file({f"other.{name}": value for name, value in weights.items()}, folder / "model.safetensors")
    assert "tensors are missing" in message_of(str(folder))


def test_weights_of_another_size(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 96}))
    assert "encoder=" in message_of(str(folder))


def test_code_that_comes_with_a_model_is_not_run(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    own = {"model_type": "its-own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (folder / "config.json").write_text(json.dumps({**config, **own}))
    (folder / "own.py").write_text("raise SystemExit('its code was run')")
    assert "encoder=" in message_of(str(folder))


def test_an_encoder_with_a_decoder(tmp_path: Path, folder: Path) -> None:
    config = T5Config(vocab_size=420, d_model=32, num_layers=1, num_heads=2, d_ff=64, d_kv=16)
    shutil.copytree(folder, tmp_path / "t5")
    config.save_pretrained(tmp_path / "t5")
    save_file({"a": torch.zeros(1)}, tmp_path / "t5" / "model.safetensors")
    assert T5Model.config_class is T5Config
    assert "found an encoder with a decoder (t5)" in message_of(str(tmp_path / "t5"))


def test_a_tokenizer_of_another_encoder(folder: Path) -> None:
    config = BertConfig(vocab_size=100, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, pad_token_id=1)
    model = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    config.save_pretrained(folder)
    save_file(dict(model.state_dict()), folder / "model.safetensors", metadata={"format": "pt"})
    assert "expected a tokenizer and weights that belong together" in message_of(str(folder))


def test_dropout_where_there_is_none_to_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.RobertaConfig.to_dict", lambda self: {"hidden_size": 32})
    with pytest.raises(EncoderError, match=r"^model\.encoder_dropout: .* has no dropout to set"):
        load_pretrained(str(folder), 0.3)
