"""The Lightning module: a training step, a validation step, and the logits of a validation epoch.

Shapes: B texts of a batch, V validation texts, K tags.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from tagnet.config import OptimConfig
from tagnet.data.batches import Batch
from tagnet.model.network import TaggerNetwork
from tagnet.training.distributed import gather
from tagnet.training.optim import make_optimizer, make_schedule
from tagnet.training.pieces import loss_in_pieces
from tagnet.training.sharding import shard


class TaggerModule(pl.LightningModule):
    """A network, its loss and its optimizer.

    Random numbers of a training step (dropout) follow from the seed, the epoch, the batch and the process alone, so
    that a run that was continued draws the same ones.
    """

    def __init__(
        self,
        network: TaggerNetwork,
        loss: nn.Module,
        optim: OptimConfig,
        num_steps: int,
        seed: int,
        tags_at_once: int | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self._optim = optim
        self._num_steps = num_steps
        self._seed = seed
        self._tags_at_once = tags_at_once
        self._val_outputs: list[tuple[Tensor, Tensor]] = []
        self._val_logits: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed the random numbers of this step."""
        source = np.random.SeedSequence([self._seed, self.current_epoch, batch_idx, self.global_rank])
        torch.manual_seed(int(source.generate_state(1, np.uint64)[0]))

    def configure_model(self) -> None:
        """Share the weights among the processes where the strategy has laid out a mesh of them for it."""
        if self.device_mesh is not None:
            shard(self.network, self.device_mesh["data_parallel"])

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch, a scalar."""
        if self._tags_at_once is None:
            logits_BK = self.network(batch.input_ids_ST, batch.mask_ST, batch.text_of_S)
            loss: Tensor = self.loss(logits_BK, batch.targets_BK, batch.known_BK)
        else:
            loss = loss_in_pieces(self.network, self.loss, batch, self._tags_at_once)
        return loss * batch.share

    def on_validation_epoch_start(self) -> None:
        """Forget the logits of the last validation."""
        self._val_outputs = []
        self._val_logits = None

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the logits; they are measured together, once, at the end of the epoch."""
        logits_BK = self.network(batch.input_ids_ST, batch.mask_ST, batch.text_of_S)
        self._val_outputs.append((batch.index_B.cpu(), logits_BK.float().cpu()))

    def validation_logits(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The validation texts' places in the corpus (V,), ascending, and their logits (V, K), of all processes."""
        if self._val_logits is None:
            index = torch.cat([index for index, _ in self._val_outputs]).numpy()
            logits = torch.cat([logits for _, logits in self._val_outputs]).numpy()
            parts = gather((index, logits))
            # A text that was read twice, to give all processes as many batches, counts once.
            index_V, first = np.unique(np.concatenate([part for part, _ in parts]), return_index=True)
            self._val_logits = index_V, np.concatenate([part for _, part in parts])[first]
        return self._val_logits

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip to the global norm; Lightning's own clipping refuses fused optimizers in mixed precision."""
        most = self._optim.clip_norm
        if most is None:
            return
        if self.device.type != "cpu" or self.device_mesh is not None:
            nn.utils.clip_grad_norm_(self.parameters(), most)
            return
        # `clip_grad_norm_` multiplies every gradient, by 1 where there is nothing to clip, so that a GPU need not be
        # waited for. A processor can look at the norm first.
        norm = nn.utils.get_total_norm([each.grad for each in self.parameters() if each.grad is not None])
        if not norm <= most:
            nn.utils.clip_grads_with_norm_(self.parameters(), most, norm)

    def configure_optimizers(self) -> Any:
        """AdamW and its schedule, stepped with every optimizer step."""
        optimizer = make_optimizer(self.network, self._optim, str(self.trainer.precision))
        schedule = make_schedule(optimizer, self._num_steps, self._optim)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
