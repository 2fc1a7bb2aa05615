"""Logits and embeddings of many texts: the loops behind evaluation after training and prediction from a bundle.

Shapes: N texts, K tags, H hidden width.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from tagnet.data.batches import collate, plan_in_order_of_length
from tagnet.data.tokens import TokenizedTexts
from tagnet.model.network import TaggerNetwork


def compute_logits(
    network: TaggerNetwork,
    texts: TokenizedTexts,
    pad_id: int,
    *,
    batch_size: int,
    autocast_dtype: torch.dtype | None = None,
    progress: Callable[[int], object] | None = None,
) -> NDArray[np.float32]:
    """Logits of all texts in their own order, (N, K).

    Args:
        network: on the device where it shall run; its training mode is restored afterwards.
        texts: N tokenized texts.
        pad_id: fills up the batches.
        batch_size: texts in a batch.
        autocast_dtype: runs matrix products in this type; None: as the weights are.
        progress: called with the number of texts done after every batch.
    """
    device = next(network.parameters()).device
    num_tags = network.head.weight.shape[0]
    logits_NK = np.zeros((len(texts), num_tags), dtype=np.float32)
    if len(texts) == 0:
        return logits_NK
    was_training = network.training
    network.eval()
    done = 0
    with torch.inference_mode(), torch.autocast(device.type, autocast_dtype, enabled=autocast_dtype is not None):
        for index_B in plan_in_order_of_length(texts.lengths_N, batch_size):
            batch = collate(texts, index_B, pad_id)
            text_of_S = None if batch.text_of_S is None else batch.text_of_S.to(device)
            logits_BK = network(batch.input_ids_ST.to(device), batch.mask_ST.to(device), text_of_S)
            logits_NK[index_B] = logits_BK.float().cpu().numpy()
            done += len(index_B)
            if progress is not None:
                progress(done)
    network.train(was_training)
    return logits_NK


def compute_embeddings(
    network: TaggerNetwork, texts: TokenizedTexts, pad_id: int, *, batch_size: int
) -> NDArray[np.float32]:
    """Pooled vectors of all texts in their own order, (N, H); the mean over the windows of a text that has several."""
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    found: dict[int, NDArray[np.float32]] = {}
    with torch.inference_mode():
        for index_B in plan_in_order_of_length(texts.lengths_N, batch_size):
            batch = collate(texts, index_B, pad_id)
            pooled_SH = network.embed(batch.input_ids_ST.to(device), batch.mask_ST.to(device)).float().cpu().numpy()
            text_of_S = np.arange(len(index_B)) if batch.text_of_S is None else batch.text_of_S.numpy()
            for place, index in enumerate(index_B):
                found[int(index)] = pooled_SH[text_of_S == place].mean(0)
    network.train(was_training)
    return np.stack([found[i] for i in range(len(texts))])
