from __future__ import annotations

import torch
from torch.nn import BCEWithLogitsLoss

from tagnet.losses.bce import binary_cross_entropy


def test_it_is_pytorchs_also_at_soft_targets() -> None:
    generator = torch.Generator().manual_seed(0)
    z_BK, y_BK = torch.randn(5, 4, generator=generator), torch.rand(5, 4, generator=generator)
    torch.testing.assert_close(binary_cross_entropy(z_BK, y_BK), BCEWithLogitsLoss()(z_BK, y_BK))


def test_soft_targets_are_fitted_at_their_log_odds() -> None:
    y_BK = torch.tensor([[0.1, 0.5, 0.9]])
    z_BK = torch.logit(y_BK).requires_grad_()
    (grad_BK,) = torch.autograd.grad(binary_cross_entropy(z_BK, y_BK), z_BK)
    assert grad_BK.abs().max() < 1e-6
