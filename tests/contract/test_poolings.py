"""What every pooling promises."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tagnet.config import ModelConfig
from tagnet.model.pooling import make_pooling

POOLINGS = get_args(get_type_hints(ModelConfig)["pooling"])
WIDTH = 6


def loud_pooling(name: str) -> torch.nn.Module:
    pooling = make_pooling(name, WIDTH)
    for place, parameter in enumerate(pooling.parameters()):
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(place))
    return pooling


@pytest.mark.parametrize("name", POOLINGS)
@given(data=st.data(), lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4), more=st.integers(0, 7))
@settings(max_examples=25, deadline=None)
def test_padding_counts_for_nothing(name: str, data: st.DataObject, lengths: list[int], more: int) -> None:
    pooling = loud_pooling(name)
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**31)))
    width = max(lengths) + more
    states_BTH = torch.randn(len(lengths), width, WIDTH, generator=generator)
    mask_BT = (torch.arange(width) < torch.tensor(lengths)[:, None]).long()
    noise = 100 * torch.randn(states_BTH.shape, generator=generator)
    noisy_BTH = torch.where(mask_BT[..., None] == 1, states_BTH, noise)
    pooled_BH = pooling(states_BTH, mask_BT)
    torch.testing.assert_close(pooling(noisy_BTH, mask_BT), pooled_BH, atol=1e-5, rtol=0)
    for b, length in enumerate(lengths):
        alone_1H = pooling(states_BTH[b : b + 1, :length], torch.ones(1, length, dtype=torch.long))
        torch.testing.assert_close(pooled_BH[b : b + 1], alone_1H, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_finite_in_every_precision(name: str, dtype: torch.dtype) -> None:
    pooling = loud_pooling(name).to(dtype)
    states_BTH = 50 * torch.randn(3, 40, WIDTH, generator=torch.Generator().manual_seed(0)).to(dtype)
    mask_BT = torch.zeros(3, 40, dtype=torch.long)
    mask_BT[0, 0] = mask_BT[1, :7] = mask_BT[2] = 1
    states_BTH.requires_grad_()
    pooled_BH = pooling(states_BTH, mask_BT)
    assert pooled_BH.dtype == dtype
    assert torch.isfinite(pooled_BH).all()
    pooled_BH.sum().backward()
    assert states_BTH.grad is not None
    assert torch.isfinite(states_BTH.grad).all()
    assert (states_BTH.grad[mask_BT == 0] == 0).all()


@pytest.mark.parametrize("name", POOLINGS)
def test_one_token_is_itself(name: str) -> None:
    states_B1H = torch.randn(2, 1, WIDTH)
    torch.testing.assert_close(loud_pooling(name)(states_B1H, torch.ones(2, 1)), states_B1H[:, 0])
