from __future__ import annotations

import torch

from tagnet.losses.zlpr import zlpr_loss


def test_one_tag_is_cross_entropy() -> None:
    z_BK, y_BK = torch.tensor([[2.0], [-1.0]]), torch.tensor([[1.0], [0.0]])
    torch.testing.assert_close(zlpr_loss(z_BK, y_BK), torch.nn.BCEWithLogitsLoss()(z_BK, y_BK))


def test_it_is_the_sum_of_all_pairs_and_of_each_against_zero() -> None:
    z_BK, y_BK = torch.tensor([[0.5, -0.2, 1.5]], dtype=torch.float64), torch.tensor([[1.0, 1.0, 0.0]])
    pairs = sum(torch.exp(z_BK[0, 2] - z_BK[0, i]) for i in (0, 1))
    singles = torch.exp(z_BK[0, 2]) + torch.exp(-z_BK[0, 0]) + torch.exp(-z_BK[0, 1])
    torch.testing.assert_close(zlpr_loss(z_BK, y_BK), torch.log(1 + pairs + singles))


def test_hard_negatives_take_the_gradient_from_easy_ones() -> None:
    z_BK = torch.tensor([[3.0, -3.0, 0.0]], requires_grad=True)
    (grad_BK,) = torch.autograd.grad(zlpr_loss(z_BK, torch.tensor([[0.0, 0.0, 1.0]])), z_BK)
    assert grad_BK[0, 0] > 100 * grad_BK[0, 1] > 0
