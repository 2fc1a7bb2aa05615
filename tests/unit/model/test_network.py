"""Token ids in, logits out: whatever the padding, the batch or the windows."""

from __future__ import annotations

from collections.abc import Callable
from logging import Handler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers.utils import logging

from tagnet.data.batches import collate
from tagnet.data.tokens import tokenize
from tagnet.errors import ConfigError
from tagnet.model.encoder import Encoder, load_encoder
from tagnet.model.network import TaggerNetwork, enable_gradient_checkpointing, max_over_windows

TEXTS = ["a tiny sql engine in rust", "graph", "", "transformers at scale: attention is all you need {braces} 🎉"]


def test_padding_changes_no_logit_of_any_architecture(
    architecture: str, save_encoder: Callable[..., Path], make_network: Callable[..., TaggerNetwork]
) -> None:
    encoder = load_encoder(str(save_encoder(architecture)))
    network = make_network(encoder=encoder)
    tokens = tokenize(encoder.tokenizer, TEXTS, encoder.max_tokens)
    with torch.no_grad():
        whole = collate(tokens, range(len(TEXTS)), encoder.pad_id)
        together_BK = network(whole.input_ids_ST, whole.mask_ST)
        for place in range(len(TEXTS)):
            alone = collate(tokens, [place], encoder.pad_id)
            alone_1K = network(alone.input_ids_ST, alone.mask_ST)
            torch.testing.assert_close(together_BK[place : place + 1], alone_1K, atol=1e-5, rtol=0)
    assert (together_BK.std(0) > 1e-3).all(), "the logits are too quiet for the test to mean anything"


def test_a_text_of_windows_has_the_largest_logits_of_its_windows(
    tiny: Encoder, make_network: Callable[..., TaggerNetwork]
) -> None:
    network = make_network()
    texts = ["graph " * 40, "tiny", "a b c d e f g h i j k l m n o p"]
    tokens = tokenize(tiny.tokenizer, texts, 12, window_overlap=3)
    batch = collate(tokens, [2, 0, 1], tiny.pad_id)
    assert batch.text_of_S is not None
    with torch.no_grad():
        logits_BK = network(batch.input_ids_ST, batch.mask_ST, batch.text_of_S)
        for row, text in enumerate([2, 0, 1]):
            windows = [torch.from_numpy(ids.astype(np.int64))[None] for ids in tokens.sequences(text)]
            each = torch.cat([network(ids, torch.ones_like(ids)) for ids in windows])
            torch.testing.assert_close(logits_BK[row], each.max(0).values, atol=1e-5, rtol=0)


def test_only_the_winning_window_learns() -> None:
    logits_SK = torch.tensor([[1.0, 4.0], [5.0, 2.0], [2.0, 2.5]], requires_grad=True)
    (gradient_SK,) = torch.autograd.grad(max_over_windows(logits_SK, torch.tensor([0, 0, 1])).sum(), logits_SK)
    assert gradient_SK.tolist() == [[0, 1], [1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("head", "pooling"),
    [(head, pooling) for head in ("linear", "tag_names") for pooling in ("mean", "cls", "max", "attention")]
    + [("label_attention", "mean")],
)
def test_every_weight_has_a_gradient(head: str, pooling: str, make_network: Callable[..., TaggerNetwork]) -> None:
    network = make_network(head=head, pooling=pooling)
    network(torch.tensor([[101, 7, 8, 102]]), torch.ones(1, 4, dtype=torch.long)).square().sum().backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


def test_one_tag(make_network: Callable[..., TaggerNetwork]) -> None:
    ids = torch.tensor([[101, 102]])
    assert make_network(1)(ids, torch.ones_like(ids)).shape == (1, 1)


def test_dropout_before_the_head(make_network: Callable[..., TaggerNetwork]) -> None:
    ids = torch.tensor([[101, 7, 102]])
    network = make_network(dropout=0.9)
    network.encoder.eval()
    network.dropout.train()
    assert not torch.equal(network(ids, torch.ones_like(ids)), network(ids, torch.ones_like(ids)))
    network.eval()
    assert torch.equal(network(ids, torch.ones_like(ids)), network(ids, torch.ones_like(ids)))


def test_embeddings_are_what_the_head_sees(make_network: Callable[..., TaggerNetwork]) -> None:
    ids = torch.tensor([[101, 7, 102, 0], [101, 7, 8, 102]])
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
    network = make_network(pooling="cls")
    torch.testing.assert_close(network.head(network.embed(ids, mask)), network(ids, mask))


def test_activations_that_are_computed_again_give_the_same_gradients(
    make_network: Callable[..., TaggerNetwork],
) -> None:
    network = make_network().train()
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    for module in network.encoder.modules():
        if type(module).__name__ == "BertSelfAttention":
            module.register_forward_hook(count)

    def gradients() -> dict[str, Tensor]:
        network.zero_grad()
        torch.manual_seed(0)  # of dropout
        ids_ST = torch.arange(5, 45).reshape(4, 10)
        torch.autograd.backward(network(ids_ST, torch.ones_like(ids_ST)).square().mean())
        return {name: each.grad.clone() for name, each in network.named_parameters() if each.grad is not None}

    expected = gradients()
    assert calls == 2
    enable_gradient_checkpointing(network.encoder)
    found = gradients()
    assert calls == 2 + 4, "each of the two layers once more on the way back"
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, msg=name)


def test_a_decoder_keeps_nothing_for_a_next_token(
    save_encoder: Callable[..., Path], make_network: Callable[..., TaggerNetwork]
) -> None:
    encoder = load_encoder(str(save_encoder("gpt2")))
    network = make_network(encoder=encoder).train()
    enable_gradient_checkpointing(network.encoder)
    heard: list[str] = []
    log: Any = logging.get_logger("transformers")
    log.warning_once.cache_clear()  # it says so once a process
    handler = Handler()
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    log.addHandler(handler)
    ids_ST = torch.tensor([[5, 7, 8, 9]])
    torch.autograd.backward(network(ids_ST, torch.ones_like(ids_ST)).sum())
    log.removeHandler(handler)
    assert heard == []
    # The settings that a bundle keeps are the published ones.
    assert encoder.config["use_cache"]


def test_an_encoder_that_cannot_compute_activations_again() -> None:
    with pytest.raises(ConfigError, match=r"trainer\.gradient_checkpointing: expected false, for Linear cannot"):
        enable_gradient_checkpointing(nn.Linear(2, 2))
