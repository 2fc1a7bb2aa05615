"""When a run trains packed: asked for, left open, and where something stands in the way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from tagnet.cli.compose import train_config
from tagnet.data.tokens import tokenize
from tagnet.errors import ConfigError
from tagnet.model.encoder import load_encoder
from tagnet.training.packing import packs, rows_met


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        (("trainer.strategy=ddp",), "trainer.strategy=single"),
        (("trainer.compile=true",), "trainer.compile=false"),
        (("trainer.gradient_checkpointing=true",), "trainer.gradient_checkpointing=false"),
    ],
)
def test_what_stands_in_the_way_is_named(settings: tuple[str, ...], needed: str) -> None:
    config = train_config("trainer=cpu", *settings).trainer
    encoder = load_encoder("tiny").module
    assert not packs(config, encoder)
    with pytest.raises(ConfigError, match=rf"trainer\.packing: .*{needed}"):
        packs(replace(config, packing=True), encoder)


def test_a_processor_packs_bert_and_nothing_else() -> None:
    config = train_config("trainer=cpu").trainer
    assert packs(config, load_encoder("tiny").module)
    assert not packs(replace(config, packing=False), load_encoder("tiny").module)
    assert not packs(config, nn.Linear(2, 2))
    with pytest.raises(ConfigError, match="an encoder like BERT"):
        packs(replace(config, packing=True), nn.Linear(2, 2))


def test_rows_met_are_those_of_the_texts_and_padding() -> None:
    encoder = load_encoder("tiny")
    texts = tokenize(encoder.tokenizer, ["a graph", "graph of a graph"], 16)
    met = rows_met(texts, encoder.pad_id)
    assert met.tolist() == sorted({encoder.pad_id, *np.concatenate(texts.sequences(0) + texts.sequences(1)).tolist()})
