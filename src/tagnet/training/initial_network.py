"""The network as it is before the first step. K tags."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from tagnet.config import TrainConfig
from tagnet.data.prepare import Prepared
from tagnet.data.tokens import TokenizedTexts, tokenize
from tagnet.model.adapter import add_adapter
from tagnet.model.encoder import Encoder
from tagnet.model.head import prior_log_odds, start_from_tag_names
from tagnet.model.network import TaggerNetwork, enable_gradient_checkpointing
from tagnet.model.seen_rows import train_seen_rows
from tagnet.prediction.inference import compute_embeddings
from tagnet.training.embedding_cache import remembered
from tagnet.training.packing import packs, rows_met
from tagnet.training.trainer import choose_precision, processor_has_bf16
from tagnet.training.unreached import freeze_unreached
from tagnet.training.warm_start import EarlierNetwork

logger = logging.getLogger("tagnet")

_NAME_SAMPLE = 2048
"""Training records at most whose mean stands beside a tag's name."""
_NAME_SCALE = 1.0


def initial_network(config: TrainConfig, encoder: Encoder, prepared: Prepared, tokens: TokenizedTexts) -> TaggerNetwork:
    """Published or earlier weights, biases at the tags' priors, rows from their names; adapters.

    They come last: whatever starts the other weights knows nothing of them.
    """
    tags, train = prepared.corpus.label_space.tags, prepared.split.train
    network = TaggerNetwork(encoder, config.model, len(tags))
    earlier = None if config.model.init_from is None else EarlierNetwork(network, config.model.init_from)
    if earlier is not None:
        earlier.copy_encoder()
    with torch.no_grad():
        positives_K = prepared.corpus.y_NK[train].sum(0, dtype=np.int64)
        network.head.bias.copy_(prior_log_odds(positives_K, len(train)))
    if config.model.head == "tag_names":
        names = tokenize(encoder.tokenizer, [tag.replace("-", " ") for tag in tags], tokens.max_tokens)
        sample = np.random.default_rng(config.run.seed).permutation(train)[:_NAME_SAMPLE]
        names_KH, texts_NH = _start_embeddings(config, network, (names, tokens.take(sample)), encoder.pad_id)
        start_from_tag_names(
            network.head,
            torch.from_numpy(names_KH),
            torch.from_numpy(texts_NH),
            _NAME_SCALE,
            torch.from_numpy(prepared.corpus.y_NK[sample].astype(np.float32)),
        )
    if earlier is not None:
        warm = earlier.copy_rows(tags)
        logger.info(
            "warm start from %s: %d tags known, %d new, %d gone",
            config.model.init_from,
            len(warm.kept),
            len(warm.new),
            len(warm.gone),
        )
    add_adapter(network.encoder, config.adapter)
    # One process alone passes over them by itself.
    if config.trainer.strategy != "single" and (frozen := freeze_unreached(network)):
        logger.info("%d parameters of the encoder take no part in what it says of a text, and are frozen", frozen)
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in network.parameters()]
    logger.info("%d of %d parameters are trained", sum(n for n, trained in sizes if trained), sum(n for n, _ in sizes))
    if config.trainer.gradient_checkpointing:
        enable_gradient_checkpointing(network.encoder)
    if config.trainer.compile:
        network.encoder.compile(dynamic=True)
    if packs(config.trainer, network.encoder):
        network.packed = True
        num_seen = train_seen_rows(network.encoder, rows_met(tokens.take(train), encoder.pad_id))
        logger.info("packed: padding is left out, and %d rows of the word embeddings are trained", num_seen)
    # Published encoders come in evaluation mode, and Lightning leaves modes as they are.
    return network.train()


def _start_embeddings(
    config: TrainConfig, network: TaggerNetwork, texts: Sequence[TokenizedTexts], pad_id: int
) -> list[NDArray[np.float32]]:
    """Embeddings of each of some lists of texts, (N, H).

    Where training starts need not be known to more digits than it takes its steps with.
    """
    half = processor_has_bf16() and choose_precision(config.trainer) == "bf16-mixed"
    # Buffers such as rotary frequencies need their digits, and autocast leaves them those.
    has_buffers = any(each.is_floating_point() for each in network.encoder.buffers())

    def compute() -> list[NDArray[np.float32]]:
        reader = copy.deepcopy(network).to(torch.bfloat16) if half and not has_buffers else network
        with torch.autocast("cpu", torch.bfloat16, enabled=half and has_buffers):
            return [compute_embeddings(reader, each, pad_id, batch_size=64) for each in texts]

    return remembered(network, texts, compute, how="bfloat16" if half else "float32")
