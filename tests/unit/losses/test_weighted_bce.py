from __future__ import annotations

import torch
from torch.nn import BCEWithLogitsLoss

from tagnet.losses.weighted_bce import weighted_binary_cross_entropy


def test_it_is_pytorchs_pos_weight_and_weight() -> None:
    generator = torch.Generator().manual_seed(0)
    z_BK, y_BK = torch.randn(5, 3, generator=generator), torch.rand(5, 3, generator=generator)
    weights_K, ones_K = torch.tensor([0.2, 1.0, 7.0]), torch.ones(3)
    torch.testing.assert_close(
        weighted_binary_cross_entropy(z_BK, y_BK, positive_weights_K=weights_K, negative_weights_K=ones_K),
        BCEWithLogitsLoss(pos_weight=weights_K)(z_BK, y_BK),
    )
    torch.testing.assert_close(
        weighted_binary_cross_entropy(z_BK, y_BK, positive_weights_K=weights_K, negative_weights_K=weights_K),
        BCEWithLogitsLoss(weight=weights_K)(z_BK, y_BK),
    )
