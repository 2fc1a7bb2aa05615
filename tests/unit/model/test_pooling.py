"""Each pooling against its definition, text by text."""

from __future__ import annotations

import pytest
import torch

from tagnet.model.pooling import AttentionPooling, cls_pooling, make_pooling, max_pooling, mean_pooling


@pytest.fixture
def states_BTH() -> torch.Tensor:
    return torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))


MASK_BT = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]])


def test_by_definition(states_BTH: torch.Tensor) -> None:
    for b, length in enumerate([5, 2, 1]):
        own_TH = states_BTH[b, :length]
        torch.testing.assert_close(mean_pooling(states_BTH, MASK_BT)[b], own_TH.mean(0))
        torch.testing.assert_close(max_pooling(states_BTH, MASK_BT)[b], own_TH.max(0).values)
        torch.testing.assert_close(cls_pooling(states_BTH, MASK_BT)[b], own_TH[0])


def test_attention_starts_as_the_mean_and_learns_from_there(states_BTH: torch.Tensor) -> None:
    pooling = AttentionPooling(4)
    torch.testing.assert_close(pooling(states_BTH, MASK_BT), mean_pooling(states_BTH, MASK_BT))
    pooling(states_BTH, MASK_BT).square().sum().backward()
    assert pooling.query.weight.grad is not None
    assert pooling.query.weight.grad.abs().sum() > 0


def test_attention_follows_its_query(states_BTH: torch.Tensor) -> None:
    pooling = AttentionPooling(4)
    with torch.no_grad():
        pooling.query.weight.normal_(generator=torch.Generator().manual_seed(1))
    for b, length in enumerate([5, 2, 1]):
        own_TH = states_BTH[b, :length]
        weights_T = torch.tanh(own_TH @ pooling.projection.weight.T + pooling.projection.bias) @ pooling.query.weight[0]
        expected_H = weights_T.softmax(0) @ own_TH
        torch.testing.assert_close(pooling(states_BTH, MASK_BT)[b], expected_H)


def test_the_largest_of_negative_values_is_negative() -> None:
    states_BTH = torch.tensor([[[-3.0], [-5.0], [0.0]]])
    assert max_pooling(states_BTH, torch.tensor([[1, 1, 0]])).item() == -3.0


def test_there_are_four() -> None:
    for name in ("mean", "cls", "max", "attention"):
        assert make_pooling(name, 4)(torch.zeros(2, 3, 4), torch.ones(2, 3)).shape == (2, 4)
    with pytest.raises(KeyError):
        make_pooling("median", 4)
