"""Embeddings of texts by an encoder as it was published, with nothing trained. N texts, H embedding width."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tagnet.config import TrainConfig
from tagnet.data.tokens import tokenize
from tagnet.model.encoder import load_encoder
from tagnet.model.network import TaggerNetwork
from tagnet.prediction.device import choose_device
from tagnet.prediction.inference import compute_embeddings

_BATCH = 64


def embed_texts(texts: Sequence[str], config: TrainConfig, device: str = "cpu") -> NDArray[np.float32]:
    """Pooled vectors of all texts in their own order, (N, H).

    Args:
        texts: N texts.
        config: its encoder, model and data.max_tokens are used.
        device: cpu, gpu, or auto.

    Raises:
        EncoderError: the encoder cannot be found, or is not what it should be.
        HardwareError: there is no such device.
    """
    encoder = load_encoder(config.encoder)
    network = TaggerNetwork(encoder, config.model, 1).to(choose_device(device))
    limit = min(config.data.max_tokens or encoder.max_tokens, encoder.max_tokens)
    tokens = tokenize(encoder.tokenizer, texts, limit, config.data.window_overlap)
    return compute_embeddings(network, tokens, encoder.pad_id, batch_size=_BATCH)
