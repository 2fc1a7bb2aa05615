from __future__ import annotations

import pytest
import torch

from tagnet.losses.asymmetric import asymmetric_loss
from tagnet.losses.focal import focal_loss


def test_without_margin_and_with_equal_focus_it_is_the_focal_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    z_BK, y_BK = torch.randn(5, 4, generator=generator), torch.rand(5, 4, generator=generator)
    found = asymmetric_loss(z_BK, y_BK, gamma_positive=2.0, gamma_negative=2.0, clip=0.0)
    torch.testing.assert_close(found, focal_loss(z_BK, y_BK, gamma=2.0))


@pytest.mark.parametrize("gamma_negative", [0.0, 0.5, 4.0])
def test_negatives_under_the_margin_cost_nothing_and_have_no_gradient(gamma_negative: float) -> None:
    z_BK = torch.logit(torch.tensor([[0.01, 0.049, 0.06]])).requires_grad_()
    loss = asymmetric_loss(z_BK, torch.zeros(1, 3), gamma_positive=0.0, gamma_negative=gamma_negative, clip=0.05)
    (grad_BK,) = torch.autograd.grad(loss, z_BK)
    assert (grad_BK[0, :2] == 0).all()
    assert grad_BK[0, 2] > 0
    assert loss > 0


def test_a_tiny_margin_keeps_confident_mistakes_finite() -> None:
    z_BK = torch.tensor([[40.0]], requires_grad=True)
    loss = asymmetric_loss(z_BK, torch.zeros(1, 1), gamma_positive=0.0, gamma_negative=4.0, clip=1e-6)
    (grad_BK,) = torch.autograd.grad(loss, z_BK)
    assert torch.isfinite(loss)
    assert torch.isfinite(grad_BK).all()
