"""Masks are kept as often as asked, independent, and scaled so that the mean stays."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tagnet.model.quick_dropout import KeepMasks, dropout_add


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.9])
def test_a_mask_drops_at_the_rate_and_keeps_the_mean(rate: float) -> None:
    mask = KeepMasks(3).draw((500, 400), rate, torch.float32)
    dropped = (mask == 0).double().mean().item()
    assert dropped == pytest.approx(rate, abs=4 * (rate * (1 - rate) / mask.numel()) ** 0.5 + 2**-16)
    assert mask.mean().item() == pytest.approx(1, abs=0.02 / (1 - rate))


def test_neighbours_and_following_masks_are_independent() -> None:
    masks = KeepMasks(0)
    first, second = (masks.draw((2**16,), 0.5, torch.float32).numpy() for _ in range(2))
    for lag in range(1, 9):  # eight numbers come from the same few random words
        assert abs(np.corrcoef(first[lag:], first[:-lag])[0, 1]) < 0.02
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.02


def test_dropout_and_sum_in_one_pass() -> None:
    x, residual = torch.randn(50, 40), torch.randn(50, 40)
    dropped = dropout_add(x, None, 0.3, KeepMasks(5))
    torch.testing.assert_close(dropout_add(x, residual, 0.3, KeepMasks(5)), residual + dropped)
    assert torch.equal(dropout_add(x, residual, 0.0, KeepMasks(5)), x + residual)
    assert torch.equal(dropout_add(x, None, 0.0, KeepMasks(5)), x)
