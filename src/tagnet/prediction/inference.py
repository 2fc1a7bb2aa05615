"""Logits and embeddings of many texts: the loops behind evaluation after training and prediction from a bundle.

Shapes: N texts, B texts of a batch, S sequences (windows) of a batch, K tags, H hidden width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tagnet.data.batches import Batch, collate
from tagnet.data.padding import plan_in_order_of_length
from tagnet.data.tokens import TokenizedTexts
from tagnet.model.network import TaggerNetwork, max_over_windows


def compute_logits(
    network: TaggerNetwork,
    texts: TokenizedTexts,
    pad_id: int,
    *,
    batch_size: int,
    progress: Callable[[int], object] | None = None,
    dropout: bool = False,
) -> NDArray[np.float32]:
    """Logits of all texts in their own order, (N, K).

    Args:
        network: on the device where it shall run; its training mode is restored afterwards.
        texts: N tokenized texts.
        pad_id: fills up the batches.
        batch_size: texts in a batch, and sequences that are run at once where texts have windows.
        progress: called with the number of texts done after every batch.
        dropout: whether dropout stays on, so that each pass is another member of an ensemble (Gal & Ghahramani 2016).
    """
    device, num_tags = network.head.weight.device, network.head.weight.shape[0]
    logits_NK = np.zeros((len(texts), num_tags), dtype=np.float32)
    done = 0
    with _evaluating(network, dropout=dropout):
        for batch in _batches(texts, pad_id, batch_size):
            logits_SK = _by_parts(network, batch, batch_size, device)
            logits_BK = logits_SK if batch.text_of_S is None else max_over_windows(logits_SK, batch.text_of_S)
            logits_NK[batch.index_B.numpy()] = logits_BK.numpy()
            done += len(logits_BK)
            if progress is not None:
                progress(done)
    return logits_NK


def compute_embeddings(
    network: TaggerNetwork, texts: TokenizedTexts, pad_id: int, *, batch_size: int
) -> NDArray[np.float32]:
    """Pooled vectors of all texts in their own order, (N, H); the mean over the windows of a text that has several."""
    device, width = network.head.weight.device, network.head.weight.shape[1]
    pooled_NH = np.zeros((len(texts), width), dtype=np.float32)
    with _evaluating(network):
        for batch in _batches(texts, pad_id, batch_size):
            pooled_SH = _by_parts(network.embed, batch, batch_size, device).numpy()
            index = batch.index_B.numpy()
            if batch.text_of_S is None:
                pooled_NH[index] = pooled_SH
            else:
                first_B = np.searchsorted(batch.text_of_S.numpy(), np.arange(len(index)))
                windows_B1 = np.diff(first_B, append=len(pooled_SH))[:, None]
                pooled_NH[index] = np.add.reduceat(pooled_SH, first_B) / windows_B1
    return pooled_NH


def _batches(texts: TokenizedTexts, pad_id: int, batch_size: int) -> Iterator[Batch]:
    for index_B in plan_in_order_of_length(texts.lengths_N, batch_size):
        yield collate(texts, index_B, pad_id)


def _by_parts(step: Callable[[Tensor, Tensor], Tensor], batch: Batch, most: int, device: torch.device) -> Tensor:
    """What a step makes of the S sequences of a batch, `most` at a time: a text may have any number of windows."""
    parts = zip(torch.split(batch.input_ids_ST, most), torch.split(batch.mask_ST, most), strict=True)
    return torch.cat([step(ids.to(device), mask.to(device)).float().cpu() for ids, mask in parts])


@contextmanager
def _evaluating(network: TaggerNetwork, *, dropout: bool = False) -> Iterator[None]:
    """Without gradients, and without dropout but where asked; the training mode is restored, whatever happens."""
    was_training = network.training
    network.eval()
    for module in network.modules() if dropout else ():
        if isinstance(module, torch.nn.Dropout):
            module.train()
    try:
        with torch.inference_mode():
            yield
    finally:
        network.train(was_training)
