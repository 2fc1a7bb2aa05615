"""What every head promises, under every pooling."""

from __future__ import annotations

from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch

from tagnet.config import ModelConfig
from tagnet.data.batches import collate
from tagnet.data.tokens import tokenize
from tagnet.model.encoder import Encoder, load_encoder
from tagnet.model.head import start_from_tag_names
from tagnet.model.network import TaggerNetwork

HINTS = get_type_hints(ModelConfig)
HEADS, POOLINGS = get_args(HINTS["head"]), get_args(HINTS["pooling"])
TEXTS = ["", "one", "a tiny sql engine written in rust {braces} 🎉", "graph neural networks " * 30]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("tiny")


# The label-wise head attends for itself: no other pooling can be configured for it.
PAIRS = [(head, pooling) for head in HEADS for pooling in POOLINGS if head != "label_attention" or pooling == "mean"]


@pytest.fixture(params=PAIRS, ids="-".join)
def network(request: pytest.FixtureRequest, encoder: Encoder) -> TaggerNetwork:
    head, pooling = request.param
    torch.manual_seed(0)
    made = TaggerNetwork(encoder, ModelConfig(pooling, head, 0.1, None, False, None), 3).eval()
    with torch.no_grad():
        for parameter in [*made.pooling.parameters(), *made.head.parameters()]:
            parameter.normal_()
    return made


@pytest.mark.parametrize("window_overlap", [None, 4])
def test_padding_and_company_change_no_logit(
    network: TaggerNetwork, encoder: Encoder, window_overlap: int | None
) -> None:
    tokens = tokenize(encoder.tokenizer, TEXTS, 32, window_overlap)
    with torch.no_grad():
        whole = collate(tokens, range(len(TEXTS)), encoder.pad_id)
        together_BK = network(whole.input_ids_ST, whole.mask_ST, whole.text_of_S)
        for place in range(len(TEXTS)):
            alone = collate(tokens, [place], encoder.pad_id)
            alone_1K = network(alone.input_ids_ST, alone.mask_ST, alone.text_of_S)
            torch.testing.assert_close(together_BK[place : place + 1], alone_1K, atol=1e-5, rtol=0)
        wider = torch.nn.functional.pad(whole.input_ids_ST, (0, 9), value=encoder.pad_id)
        wider_mask = torch.nn.functional.pad(whole.mask_ST, (0, 9))
        torch.testing.assert_close(network(wider, wider_mask, whole.text_of_S), together_BK, atol=1e-5, rtol=0)
    assert (together_BK.std(0) > 1e-3).all(), "the logits are too quiet for the test to mean anything"


def test_a_row_a_tag(network: TaggerNetwork) -> None:
    assert network.head.weight.shape == (3, 32)
    assert all(len(parameter) == 3 for parameter in network.head.parameters())
    ids = torch.tensor([[101, 7, 8, 102]])
    with torch.no_grad():
        before_1K = network(ids, torch.ones_like(ids))
        for parameter in network.head.parameters():
            parameter[1].add_(1.0)
        after_1K = network(ids, torch.ones_like(ids))
    assert ((before_1K - after_1K).abs() > 1e-6).tolist() == [[False, True, False]]


def test_tags_in_another_order_have_their_logits_in_that_order(network: TaggerNetwork) -> None:
    ids = torch.tensor([[101, 7, 8, 102], [101, 9, 102, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    order = torch.tensor([2, 0, 1])
    with torch.no_grad():
        before_BK = network(ids, mask)
        for parameter in network.head.parameters():
            parameter.copy_(parameter[order])
        torch.testing.assert_close(network(ids, mask), before_BK[:, order])


def test_it_can_start_from_the_names_of_tags(network: TaggerNetwork) -> None:
    generator = torch.Generator().manual_seed(0)
    start_from_tag_names(
        network.head, torch.randn(3, 32, generator=generator), torch.randn(9, 32, generator=generator), 1.0
    )
    ids = torch.tensor([[101, 7, 102]])
    assert np.isfinite(network(ids, torch.ones_like(ids)).detach().numpy()).all()
