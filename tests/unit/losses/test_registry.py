from __future__ import annotations

import numpy as np
import pytest
import torch

from tagnet.config import BCEConfig, DistributionBalancedConfig, WeightedBCEConfig
from tagnet.losses.registry import make_loss


@pytest.mark.parametrize(("weighting", "on_negatives"), [("count", 0.5), ("inverse", 1.0), ("sqrt_inverse", 1.0)])
def test_only_the_counts_weigh_negatives(weighting: str, on_negatives: float) -> None:
    config = WeightedBCEConfig("weighted_bce", weighting, None, 50.0)  # type: ignore[arg-type]
    buffers = dict(make_loss(config, np.array([2]), 10).named_buffers())
    assert buffers["negative_weights_K"].tolist() == [on_negatives]


def test_counts_may_be_a_tensor() -> None:
    config = DistributionBalancedConfig(
        name="distribution_balanced",
        gamma=2.0,
        negative_scale=2.0,
        bias_shift=0.05,
        map_alpha=0.1,
        map_beta=10.0,
        map_mu=0.9,
    )
    z_BK, y_BK = torch.tensor([[0.3, -0.4]]), torch.tensor([[1.0, 0.0]])
    from_tensor = make_loss(config, torch.tensor([3, 7]), 10)(z_BK, y_BK)
    assert from_tensor == make_loss(config, np.array([3, 7]), 10)(z_BK, y_BK)
    assert from_tensor != make_loss(config, np.array([7, 3]), 10)(z_BK, y_BK)


def test_the_mask_may_be_left_out_or_given_by_position() -> None:
    loss = make_loss(BCEConfig("bce"), np.array([1]), 2)
    z_BK, y_BK = torch.tensor([[0.0], [5.0]]), torch.tensor([[1.0], [0.0]])
    assert loss(z_BK, y_BK, torch.tensor([[True], [False]])) < loss(z_BK, y_BK)
