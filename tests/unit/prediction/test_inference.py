"""Logits and embeddings of many texts do not depend on how they are put into batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from tagnet.data.tokens import TokenizedTexts, tokenize
from tagnet.model.encoder import Encoder
from tagnet.model.network import TaggerNetwork
from tagnet.prediction.inference import compute_embeddings, compute_logits

TEXTS = ["a tiny sql engine", "", "graph neural networks " * 10, "x", "Ünïcode {braces} 🎉", "one two three four"]

Make = Callable[..., TaggerNetwork]


@pytest.fixture(params=[None, 2], ids=["cut", "windows"])
def tokens(request: pytest.FixtureRequest, tiny: Encoder) -> TokenizedTexts:
    return tokenize(tiny.tokenizer, TEXTS, 10, request.param)


def test_logits_are_in_the_order_of_the_texts(tokens: TokenizedTexts, make_network: Make, tiny: Encoder) -> None:
    network = make_network()
    logits_NK = compute_logits(network, tokens, tiny.pad_id, batch_size=4)
    assert logits_NK.shape == (len(TEXTS), 3)
    assert logits_NK.dtype == np.float32
    for n in range(len(TEXTS)):
        windows = [torch.from_numpy(ids.astype(np.int64))[None] for ids in tokens.sequences(n)]
        with torch.no_grad():
            expected_K = torch.cat([network(ids, torch.ones_like(ids)) for ids in windows]).max(0).values
        np.testing.assert_allclose(logits_NK[n], expected_K.numpy(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_the_size_of_a_batch_changes_nothing(
    batch_size: int, tokens: TokenizedTexts, make_network: Make, tiny: Encoder
) -> None:
    network = make_network()
    for compute in (compute_logits, compute_embeddings):
        expected = compute(network, tokens, tiny.pad_id, batch_size=4)
        found = compute(network, tokens, tiny.pad_id, batch_size=batch_size)
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


def test_embeddings_are_means_over_windows(tokens: TokenizedTexts, make_network: Make, tiny: Encoder) -> None:
    network = make_network(pooling="max")
    pooled_NH = compute_embeddings(network, tokens, tiny.pad_id, batch_size=4)
    assert pooled_NH.shape == (len(TEXTS), 32)
    assert pooled_NH.dtype == np.float32
    for n in range(len(TEXTS)):
        windows = [torch.from_numpy(ids.astype(np.int64))[None] for ids in tokens.sequences(n)]
        with torch.no_grad():
            expected_H = torch.cat([network.embed(ids, torch.ones_like(ids)) for ids in windows]).mean(0)
        np.testing.assert_allclose(pooled_NH[n], expected_H.numpy(), atol=1e-5, rtol=0)


def test_no_texts(make_network: Make, tiny: Encoder) -> None:
    nothing = tokenize(tiny.tokenizer, [], 10)
    assert compute_logits(make_network(), nothing, 0, batch_size=4).shape == (0, 3)
    assert compute_embeddings(make_network(), nothing, 0, batch_size=4).shape == (0, 32)


@pytest.mark.parametrize("training", [True, False])
def test_dropout_is_off_and_the_mode_is_restored(
    training: bool, tokens: TokenizedTexts, make_network: Make, tiny: Encoder
) -> None:
    network = make_network(dropout=0.5).train(training)
    first = compute_logits(network, tokens, tiny.pad_id, batch_size=4)
    np.testing.assert_array_equal(compute_logits(network, tokens, tiny.pad_id, batch_size=4), first)
    compute_embeddings(network, tokens, tiny.pad_id, batch_size=4)
    assert network.training is training


def test_the_mode_is_restored_after_an_error(tokens: TokenizedTexts, make_network: Make, tiny: Encoder) -> None:
    network = make_network().train()

    def fail(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compute_logits(network, tokens, tiny.pad_id, batch_size=4, progress=fail)
    assert network.training


def test_progress_counts_texts_to_the_end(tokens: TokenizedTexts, make_network: Make, tiny: Encoder) -> None:
    counts: list[int] = []
    compute_logits(make_network(), tokens, tiny.pad_id, batch_size=4, progress=counts.append)
    assert counts == [4, 6]


def test_no_more_sequences_at_once_than_a_batch_may_have(make_network: Make, tiny: Encoder) -> None:
    network = make_network()
    tokens = tokenize(tiny.tokenizer, ["graph " * 400, "x"], 10, 2)
    sizes: list[int] = []
    forward = network.encoder.forward

    def watch(input_ids: Tensor, attention_mask: Tensor) -> object:
        sizes.append(len(input_ids))
        return forward(input_ids=input_ids, attention_mask=attention_mask)

    network.encoder.forward = watch
    compute_logits(network, tokens, tiny.pad_id, batch_size=8)
    assert len(sizes) > 1
    assert max(sizes) == 8
