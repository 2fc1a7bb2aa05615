"""The loss of a batch a few tags at a time: what the head computes is never held for all tags at once.

Shapes: B texts, S sequences, K tags, P tags of a piece.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tagnet.config import TrainerConfig
from tagnet.data.batches import Batch
from tagnet.errors import ConfigError
from tagnet.losses.registry import Loss
from tagnet.model.network import TaggerNetwork, max_over_windows

_CELLS_AT_ONCE = 2**22
_FSDP = "fsdp"


def choose_tags_at_once(config: TrainerConfig, loss: Loss, num_tags: int) -> int | None:
    """The tags of a piece, or None: the loss is computed whole.

    Raises:
        ConfigError: pieces are asked for, and the loss or the strategy does not allow them.
    """
    if config.tags_at_once is not None:
        if not loss.cellwise:
            raise ConfigError(
                f"trainer.tags_at_once: found {config.tags_at_once} with a loss in which the tags of a text hang "
                "together; expected null, or loss=bce, weighted_bce, focal, asl or class_balanced"
            )
        if config.strategy == _FSDP:
            raise ConfigError(
                f"trainer.tags_at_once: expected null with trainer.strategy=fsdp, found {config.tags_at_once}"
            )
        return config.tags_at_once if config.tags_at_once < num_tags else None
    assert config.batch_size is not None
    if config.batch_size * num_tags <= _CELLS_AT_ONCE or not loss.cellwise or config.strategy == _FSDP:
        return None
    return max(1, _CELLS_AT_ONCE // config.batch_size)


def loss_in_pieces(network: TaggerNetwork, loss: torch.nn.Module, batch: Batch, tags_at_once: int) -> Tensor:
    """What `loss` says of the network's logits of a batch, a scalar, with the gradients of the whole.

    Args:
        network: without lexical evidence, as while it is trained.
        loss: one that is `cellwise`.
        batch: with targets.
        tags_at_once: P.
    """
    assert isinstance(loss, Loss)
    assert network.lexical is None
    seen = network.read(batch.input_ids_ST, batch.mask_ST)
    value: Tensor = _InPieces.apply(seen, network, loss, batch, tags_at_once, *network.head.rows())  # type: ignore[no-untyped-call]
    return value


class _InPieces(torch.autograd.Function):
    """A piece's gradients are taken while its logits are there; backward only scales them.

    As in the fused linear cross-entropy of Liger (Hsu et al., arXiv 2410.10989, section 3.2).
    """

    @staticmethod
    def forward(
        ctx: Any,
        seen: Tensor,
        network: TaggerNetwork,
        loss: Loss,
        batch: Batch,
        tags_at_once: int,
        *rows: Tensor,
    ) -> Tensor:
        targets_BK, known_BK = batch.targets_BK, batch.known_BK
        assert targets_BK is not None
        num_tags = targets_BK.shape[1]
        num_known = torch.tensor(float(targets_BK.numel())) if known_BK is None else known_BK.sum().float()
        seen_leaf = seen.detach().requires_grad_()
        seen_gradient = torch.zeros_like(seen, dtype=torch.float32)
        row_gradients = [torch.zeros_like(each) for each in rows]
        total = torch.zeros((), device=seen.device)
        for start in range(0, num_tags, tags_at_once):
            tags = slice(start, min(start + tags_at_once, num_tags))
            leaves = [each[tags].detach().requires_grad_() for each in rows]
            known_BP = None if known_BK is None else known_BK[:, tags]
            cells = float(targets_BK[:, tags].numel()) if known_BP is None else known_BP.sum().float()
            with torch.enable_grad():
                logits_SP = network.head.logits(seen_leaf, batch.mask_ST, *leaves)
                logits_BP = logits_SP if batch.text_of_S is None else max_over_windows(logits_SP, batch.text_of_S)
                part = loss(logits_BP, targets_BK[:, tags], known_BP, tags) * (cells / num_known.clamp_min(1))
            gradients = torch.autograd.grad(part, [seen_leaf, *leaves])
            seen_gradient += gradients[0]
            for whole, gradient in zip(row_gradients, gradients[1:], strict=True):
                whole[tags] = gradient
            total += part.detach()
        ctx.save_for_backward(seen_gradient.to(seen.dtype), *row_gradients)
        return total

    @staticmethod
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor | None, ...]:
        seen_gradient, *row_gradients = ctx.saved_tensors
        # The rows' gradients are as large as the head: scaled in place, for nobody needs them unscaled.
        return (seen_gradient * scale, None, None, None, None, *(each.mul_(scale) for each in row_gradients))
