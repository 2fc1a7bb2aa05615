"""Whether a run trains packed, and which word embeddings its texts meet."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from tagnet.config import TrainerConfig
from tagnet.data.tokens import TokenizedTexts
from tagnet.errors import ConfigError
from tagnet.model.packed import can_pack
from tagnet.prediction.device import choose_device


def packs(config: TrainerConfig, encoder: nn.Module) -> bool:
    """Whether training computes on tokens alone; see `tagnet.model.packed`.

    Raises:
        ConfigError: it is asked for, and something else does not allow it.
    """
    if config.packing is False:
        return False
    hindrances = [
        (choose_device(config.accelerator).type != "cpu", "trainer.accelerator=cpu"),
        (config.strategy != "single", "trainer.strategy=single"),
        (config.compile, "trainer.compile=false"),
        (config.gradient_checkpointing, "trainer.gradient_checkpointing=false"),
        (not can_pack(encoder), "an encoder like BERT or RoBERTa without an adapter"),
    ]
    expected = [what for hinders, what in hindrances if hinders]
    if expected and config.packing:
        raise ConfigError(f"trainer.packing: found true, which goes with {expected[0]} only; expected null or false")
    return not expected


def rows_met(texts: TokenizedTexts, pad_id: int) -> Tensor:
    """The token ids that training on these texts may look up, ascending; an empty text is read as padding."""
    return torch.from_numpy(np.unique(np.append(texts.token_ids, pad_id)).astype(np.int64))
