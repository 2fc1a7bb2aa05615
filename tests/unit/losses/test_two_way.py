from __future__ import annotations

import torch

from tagnet.losses.two_way import two_way_loss


def loss(z_BK: torch.Tensor, y_BK: torch.Tensor) -> torch.Tensor:
    return two_way_loss(z_BK, y_BK, positive_temperature=4.0, negative_temperature=1.0)


def test_a_batch_without_positives_costs_nothing() -> None:
    z_BK = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    result = loss(z_BK, torch.zeros(3, 4))
    (grad_BK,) = torch.autograd.grad(result, z_BK)
    assert result == 0
    assert (grad_BK == 0).all()


def test_it_compares_so_a_shift_of_all_logits_changes_nothing() -> None:
    z_BK, y_BK = torch.tensor([[1.0, -1.0], [0.5, 2.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    torch.testing.assert_close(loss(z_BK + 5, y_BK), loss(z_BK, y_BK))


def test_a_record_without_tags_learns_through_the_tags_of_the_others() -> None:
    z_BK = torch.zeros(2, 3, requires_grad=True)
    (grad_BK,) = torch.autograd.grad(loss(z_BK, torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])), z_BK)
    assert grad_BK[1, 0] > 0
    assert (grad_BK[1, 1:] == 0).all()


def test_lines_full_of_positives_count_in_the_mean() -> None:
    # Record 0 bears both tags; tag 0 is borne by both records. Each way: one line that costs 0, one of log 2 and more.
    z_BK, y_BK = torch.zeros(2, 2), torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    torch.testing.assert_close(loss(z_BK, y_BK), torch.log(torch.tensor(2.0)))
