from __future__ import annotations

import torch

from tagnet.losses.bce import binary_cross_entropy
from tagnet.losses.focal import focal_loss


def test_without_focus_it_is_cross_entropy() -> None:
    generator = torch.Generator().manual_seed(0)
    z_BK, y_BK = torch.randn(5, 4, generator=generator), torch.rand(5, 4, generator=generator)
    plain = binary_cross_entropy(z_BK, y_BK)
    torch.testing.assert_close(focal_loss(z_BK, y_BK, gamma=0.0), plain)
    torch.testing.assert_close(focal_loss(z_BK, y_BK, gamma=0.0, alpha=0.5), plain / 2)


def test_more_focus_plays_easy_cells_down_more_than_hard_ones() -> None:
    easy, hard, y = torch.tensor([[3.0]]), torch.tensor([[-3.0]]), torch.ones(1, 1)
    ratios = [(focal_loss(hard, y, gamma=gamma) / focal_loss(easy, y, gamma=gamma)).item() for gamma in (0.0, 1.0, 2.0)]
    assert ratios == sorted(ratios)
    assert ratios[2] > 100 * ratios[0]
