from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import huggingface_hub
import pytest

from tagnet.config import TrainConfig
from tagnet.data.prepare import Prepared
from tagnet.data.tokens import tokenize
from tagnet.errors import EncoderError
from tagnet.evaluation.token_lengths import load_tokenizer, view_tokens
from tagnet.model.embedded import embedded_folder
from tagnet.model.encoder import load_encoder

Make = Callable[..., tuple[Prepared, TrainConfig]]


def test_lengths_are_those_that_training_counts(make: Make) -> None:
    prepared, config = make("data.max_tokens=10")
    view = view_tokens(prepared, config.data, "tiny")
    trained = tokenize(load_encoder("tiny").tokenizer, prepared.texts, 10)
    assert view.text.num_over == trained.num_over_limit > 0
    assert view.text.limit == 10
    assert [min(10, n) for n in view.lengths_N.tolist()] == trained.lengths_N.tolist()


def test_each_field_is_counted_against_its_own_budget(make: Make) -> None:
    prepared, config = make("data.feature_tokens={description: 3}")
    title, description = view_tokens(prepared, config.data, "all-MiniLM-L6-v2").features
    assert (title.limit, title.num_over) == (None, 0)
    assert (description.limit, description.num_over) == (3, 25)
    assert description.longest > 3
    uncut = view_tokens(prepared, make()[1].data, "tiny").text
    cut = view_tokens(prepared, config.data, "tiny").text
    assert cut.longest < uncut.longest


def test_the_limit_is_the_encoders_where_the_settings_name_none() -> None:
    assert load_tokenizer("tiny")[1] == load_encoder("tiny").max_tokens
    assert load_tokenizer("all-MiniLM-L6-v2")[1] == 512


def test_an_encoder_that_is_not_there_is_an_error_without_a_question_to_the_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[object] = []

    def no_network(*arguments: object, **more: object) -> NoReturn:
        asked.append(arguments)
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setattr(socket.socket, "connect", no_network)
    with pytest.raises(EncoderError, match="no such folder") as caught:
        load_tokenizer("nobody/has-this-encoder")
    assert "--no-tokens" in str(caught.value)
    assert asked == []


def test_a_misspelt_encoder_names_the_nearest() -> None:
    with pytest.raises(EncoderError, match="did you mean all-MiniLM-L6-v2"):
        load_tokenizer("all-minilm-l6-v2")


def test_an_encoder_in_the_local_cache_is_found_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, commit = "models--somebody--encoder", "0" * 40
    snapshot = shutil.copytree(embedded_folder(), tmp_path / name / "snapshots" / commit)
    (tmp_path / name / "refs").mkdir()
    (tmp_path / name / "refs" / "main").write_text(commit, encoding="utf-8")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    tokenizer, limit = load_tokenizer("somebody/encoder")
    expected, _ = load_tokenizer("all-MiniLM-L6-v2")
    assert tokenizer.encode("graph neural networks").ids == expected.encode("graph neural networks").ids
    assert limit <= 512
    (snapshot / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(EncoderError, match="hf download somebody/encoder"):
        load_tokenizer("somebody/encoder")
