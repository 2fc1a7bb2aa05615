from __future__ import annotations

import torch

from tagnet.losses.negative_tolerant import class_balanced_loss, negative_tolerant_cells, rebalancing_weights

MAP = {"map_alpha": 0.1, "map_beta": 10.0, "map_mu": 0.9}


def test_without_tolerance_and_weights_it_is_cross_entropy() -> None:
    generator = torch.Generator().manual_seed(0)
    z_BK, y_BK = torch.randn(5, 4, generator=generator), torch.rand(5, 4, generator=generator)
    found = class_balanced_loss(
        z_BK,
        y_BK,
        tag_weights_K=torch.ones(4),
        prior_log_odds_K=torch.randn(4, generator=generator),
        gamma=0.0,
        negative_scale=1.0,
        bias_shift=0.0,
    )
    torch.testing.assert_close(found, torch.nn.BCEWithLogitsLoss()(z_BK, y_BK))


def test_easy_negatives_are_let_go_sooner_and_hard_ones_cost_alike() -> None:
    z_BK = torch.tensor([[-4.0, 30.0]], requires_grad=True)
    grads = []
    for scale in (1.0, 3.0):
        cells_BK = negative_tolerant_cells(
            z_BK, torch.zeros(1, 2), torch.zeros(2), gamma=0.0, negative_scale=scale, bias_shift=0.0
        )
        grads.append(torch.autograd.grad(cells_BK.sum(), z_BK)[0][0])
    assert grads[1][0] < grads[0][0] / 100
    torch.testing.assert_close(grads[0][1], grads[1][1])


def test_rare_tags_are_shifted_down_so_that_positives_cost_more() -> None:
    prior_log_odds_K = torch.tensor([-5.0, 0.0])
    cells_BK = negative_tolerant_cells(
        torch.zeros(1, 2), torch.ones(1, 2), prior_log_odds_K, gamma=2.0, negative_scale=2.0, bias_shift=0.1
    )
    assert cells_BK[0, 0] > cells_BK[0, 1]


def test_a_record_with_one_tag_gives_it_the_full_ratio_and_one_without_saturates() -> None:
    inverse_counts_K = torch.tensor([1 / 100, 1 / 10])
    weights_BK = rebalancing_weights(torch.tensor([[1.0, 0.0], [0.0, 0.0]]), inverse_counts_K, **MAP)
    torch.testing.assert_close(weights_BK[0, 0], 0.1 + torch.sigmoid(torch.tensor(1.0)))
    torch.testing.assert_close(weights_BK[1], torch.full((2,), 1.1))


def test_a_map_without_slope_is_constant_also_without_tags() -> None:
    settings = MAP | {"map_beta": 0.0}
    weights_BK = rebalancing_weights(torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([0.01, 0.1]), **settings)
    torch.testing.assert_close(weights_BK, torch.full((2, 2), 0.6))
