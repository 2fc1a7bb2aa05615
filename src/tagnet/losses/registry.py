"""From a loss's configuration to the loss. B records in a batch, K tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tagnet.config import (
    AsymmetricConfig,
    BCEConfig,
    ClassBalancedConfig,
    DistributionBalancedConfig,
    FocalConfig,
    LossConfig,
    TwoWayConfig,
    WeightedBCEConfig,
    ZLPRConfig,
)
from tagnet.losses.asymmetric import asymmetric_loss
from tagnet.losses.bce import binary_cross_entropy
from tagnet.losses.focal import focal_loss
from tagnet.losses.negative_tolerant import class_balanced_loss, distribution_balanced_loss
from tagnet.losses.two_way import two_way_loss
from tagnet.losses.weighted_bce import weighted_binary_cross_entropy
from tagnet.losses.weights import class_balanced_weights, clipped_log_odds, inverse_counts, positive_weights
from tagnet.losses.zlpr import zlpr_loss


class Loss(nn.Module):
    """A loss function with its settings, and its per-tag arrays as buffers that move with the device.

    The buffers follow from the configuration and the training set, so they stay out of the state dict.
    """

    def __init__(
        self,
        function: Callable[..., Tensor],
        settings: Mapping[str, Any] | None = None,
        arrays_K: Mapping[str, NDArray[np.float64]] | None = None,
        *,
        cellwise: bool = True,
    ) -> None:
        super().__init__()
        self.cellwise = cellwise
        """Whether it is the mean of what each known cell costs by itself: it can be had a few tags at a time."""
        self._function = function
        self._settings = dict(settings or {})
        self._arrays = tuple(arrays_K or {})
        for name, array_K in (arrays_K or {}).items():
            self.register_buffer(name, torch.tensor(array_K, dtype=torch.float32), persistent=False)

    def forward(
        self, logits_BK: Tensor, targets_BK: Tensor, known_BK: Tensor | None = None, tags: slice = slice(None)
    ) -> Tensor:
        """The loss of a batch, a scalar: logits and targets in [0, 1] are (B, K), the mask (B, K) bool or None.

        `tags` says which tags' columns these are, for a loss that is `cellwise`.
        """
        arrays = {name: getattr(self, name)[tags] for name in self._arrays}
        result: Tensor = self._function(logits_BK, targets_BK, known_BK, **arrays, **self._settings)
        return result


def make_loss(config: LossConfig, positives_K: Tensor | NDArray[np.number], num_records: int) -> Loss:
    """The loss that `config` asks for.

    Args:
        config: one of the loss configurations.
        positives_K: (K,) how many training records bear each tag.
        num_records: how many training records there are.

    >>> from tagnet.config import FocalConfig
    >>> loss = make_loss(FocalConfig("focal", 2.0, None), np.array([3, 1]), 10)
    >>> round(loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])).item(), 4)
    0.1733
    """
    counts_K = positives_K.detach().cpu().numpy() if isinstance(positives_K, Tensor) else np.asarray(positives_K)
    match config:
        case BCEConfig():
            return Loss(binary_cross_entropy)
        case WeightedBCEConfig():
            weights_K = positive_weights(counts_K, num_records, config)
            # The course's 1/count weighs the whole tag, every other weighting its positive cells alone.
            negative_K = weights_K if config.weighting == "count" else np.ones_like(weights_K)
            return Loss(
                weighted_binary_cross_entropy,
                arrays_K={"positive_weights_K": weights_K, "negative_weights_K": negative_K},
            )
        case FocalConfig():
            return Loss(focal_loss, {"gamma": config.gamma, "alpha": config.alpha})
        case AsymmetricConfig():
            return Loss(
                asymmetric_loss,
                {
                    "gamma_positive": config.gamma_positive,
                    "gamma_negative": config.gamma_negative,
                    "clip": config.clip,
                },
            )
        case DistributionBalancedConfig():
            return Loss(
                distribution_balanced_loss,
                _tolerance(config)
                | {"map_alpha": config.map_alpha, "map_beta": config.map_beta, "map_mu": config.map_mu},
                {
                    "inverse_counts_K": inverse_counts(counts_K),
                    "prior_log_odds_K": clipped_log_odds(counts_K, num_records),
                },
                cellwise=False,
            )
        case ClassBalancedConfig():
            return Loss(
                class_balanced_loss,
                _tolerance(config),
                {
                    "tag_weights_K": class_balanced_weights(counts_K, num_records, config.beta),
                    "prior_log_odds_K": clipped_log_odds(counts_K, num_records),
                },
            )
        case ZLPRConfig():
            return Loss(zlpr_loss, cellwise=False)
        case TwoWayConfig():
            return Loss(
                two_way_loss,
                {
                    "positive_temperature": config.positive_temperature,
                    "negative_temperature": config.negative_temperature,
                },
                cellwise=False,
            )
        case _:
            assert_never(config)


def _tolerance(config: DistributionBalancedConfig | ClassBalancedConfig) -> dict[str, float]:
    return {"gamma": config.gamma, "negative_scale": config.negative_scale, "bias_shift": config.bias_shift}
