"""Heads against their definitions, and where they start."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tagnet.model.head import LabelAttentionHead, LinearHead, prior_log_odds, start_from_tag_names


def test_a_linear_head_is_a_product_and_a_bias() -> None:
    head = LinearHead(3, 2)
    pooled_BH = torch.randn(4, 3)
    torch.testing.assert_close(head(pooled_BH), pooled_BH @ head.weight.T + head.bias)


def test_label_attention_by_definition() -> None:
    torch.manual_seed(0)
    head = LabelAttentionHead(4, 3)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter)
    states_BTH, mask_BT = torch.randn(2, 5, 4), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    logits_BK = head(states_BTH, mask_BT)
    for b, length in enumerate([5, 2]):
        own_TH = states_BTH[b, :length]
        for k in range(3):
            attention_T = (own_TH @ head.query[k] / math.sqrt(4)).softmax(0)
            torch.testing.assert_close(logits_BK[b, k], (attention_T @ own_TH) @ head.weight[k] + head.bias[k])


def test_label_attention_starts_as_the_mean() -> None:
    head = LabelAttentionHead(4, 3)
    states_BTH = torch.randn(2, 5, 4)
    expected_BK = states_BTH.mean(1) @ head.weight.T
    torch.testing.assert_close(head(states_BTH, torch.ones(2, 5)), expected_BK)


def test_priors_are_the_smoothed_log_odds() -> None:
    odds_K = prior_log_odds(np.array([0, 5, 10]), 10)
    rates_K = torch.sigmoid(odds_K)
    torch.testing.assert_close(rates_K, torch.tensor([0.5 / 11, 0.5, 10.5 / 11]))
    assert odds_K.dtype == torch.float32


@pytest.mark.parametrize("make", [LinearHead, LabelAttentionHead])
def test_names_make_a_head_that_ranks_at_once(make: type[LinearHead | LabelAttentionHead]) -> None:
    generator = torch.Generator().manual_seed(0)
    names_KH = torch.randn(4, 16, generator=generator) + 5
    # Each text speaks of one tag, and all share something with every name.
    texts_NH = names_KH.repeat(8, 1) + 0.3 * torch.randn(32, 16, generator=generator)
    head = make(16, 4)
    prior_K = torch.tensor([-1.0, -2.0, -3.0, -4.0])
    with torch.no_grad():
        head.bias.copy_(prior_K)
    start_from_tag_names(head, names_KH, texts_NH, scale=2.0)
    logits_NK = texts_NH @ head.weight.T + head.bias
    torch.testing.assert_close(logits_NK.mean(0), prior_K, atol=1e-4, rtol=0)
    torch.testing.assert_close(logits_NK.std(0).mean(), torch.tensor(2.0))
    assert ((logits_NK - prior_K).argmax(1) == torch.arange(4).repeat(8)).all()
    assert head.weight.requires_grad


@pytest.mark.parametrize(("num_tags", "num_texts"), [(1, 5), (4, 1), (4, 0), (1, 0)])
def test_nothing_to_rank_leaves_the_head_as_it_is(num_tags: int, num_texts: int) -> None:
    head = LinearHead(8, num_tags)
    before = head.weight.clone()
    start_from_tag_names(head, torch.randn(num_tags, 8), torch.randn(num_texts, 8), 1.0)
    assert torch.equal(head.weight, before)
    assert torch.equal(head.bias, torch.zeros(num_tags))


def test_names_that_are_all_the_same_stay_finite() -> None:
    head = LinearHead(8, 3)
    start_from_tag_names(head, torch.ones(3, 8), torch.randn(5, 8), 1.0)
    assert torch.isfinite(head.weight).all()
    assert torch.isfinite(head.bias).all()


def test_labels_turn_the_rows_toward_the_texts_that_bear_the_tag() -> None:
    names_KH = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, -1.0, 0.0]])
    # The third dimension parts the texts of the first tag from the others; no name knows of it.
    texts_NH = torch.tensor([[0.1, 0.0, 1.0], [0.0, 0.1, 1.0], [0.0, 0.0, -1.0], [0.1, 0.1, -1.0]])
    y_NK = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    plain, taught = LinearHead(3, 3), LinearHead(3, 3)
    start_from_tag_names(plain, names_KH, texts_NH, 1.0)
    start_from_tag_names(taught, names_KH, texts_NH, 1.0, y_NK)
    assert plain.weight[0, 2] == 0
    assert taught.weight[0, 2] > 0 > taught.weight[1, 2]
    # Nobody bears the third tag: its row has the direction of its name alone.
    cosine = torch.nn.functional.cosine_similarity(plain.weight[2], taught.weight[2], dim=0)
    assert cosine.item() == pytest.approx(1.0, abs=1e-5)
    spread = (texts_NH @ taught.weight.T).std(0).mean()
    assert spread.item() == pytest.approx(1.0, abs=1e-5)
