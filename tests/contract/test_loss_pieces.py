"""Every loss that is the mean of what its cells cost has, in pieces, the value and the gradients of the whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tagnet.cli.compose import train_config
from tagnet.data.batches import Batch
from tagnet.errors import ConfigError
from tagnet.losses.registry import Loss, make_loss
from tagnet.model.encoder import load_encoder
from tagnet.model.network import TaggerNetwork
from tagnet.training.pieces import choose_tags_at_once, loss_in_pieces

NUM_TAGS = 7
LOSSES = ("bce", "weighted_bce", "focal", "asl", "class_balanced", "distribution_balanced", "zlpr", "two_way")
COUPLED = {"distribution_balanced", "zlpr", "two_way"}


def loss_of(name: str) -> Loss:
    return make_loss(train_config(f"loss={name}").loss, np.arange(1, NUM_TAGS + 1), 20)


def batch_of(*, known: bool, windows: bool) -> Batch:
    drawn = torch.Generator().manual_seed(0)
    mask_ST = (torch.arange(6) < torch.tensor([[6], [3], [5], [1]])).long()
    num_texts = 3 if windows else 4
    return Batch(
        index_B=torch.arange(num_texts),
        input_ids_ST=torch.randint(5, 900, (4, 6), generator=drawn) * mask_ST,
        mask_ST=mask_ST,
        text_of_S=torch.tensor([0, 1, 1, 2]) if windows else None,
        targets_BK=torch.rand((num_texts, NUM_TAGS), generator=drawn).round(),
        known_BK=torch.rand((num_texts, NUM_TAGS), generator=drawn) < 0.7 if known else None,
    )


def network_of(head: str) -> TaggerNetwork:
    torch.manual_seed(0)
    config = replace(train_config(f"model.head={head}").model, dropout=0.0)
    return TaggerNetwork(load_encoder("tiny", dropout=0.0), config, NUM_TAGS).train()


@pytest.mark.parametrize("name", sorted(set(LOSSES) - COUPLED))
@pytest.mark.parametrize("head", ["linear", "label_attention"])
@pytest.mark.parametrize(("known", "windows"), [(False, False), (True, True)])
@pytest.mark.parametrize("tags_at_once", [1, 3])
def test_value_and_gradients_are_those_of_the_whole(
    name: str, head: str, known: bool, windows: bool, tags_at_once: int
) -> None:
    network, loss, batch = network_of(head), loss_of(name), batch_of(known=known, windows=windows)
    found: list[tuple[float, dict[str, Any]]] = []
    for pieces in (None, tags_at_once):
        network.zero_grad()
        if pieces is None:
            logits_BK = network(batch.input_ids_ST, batch.mask_ST, batch.text_of_S)
            value = loss(logits_BK, batch.targets_BK, batch.known_BK)
        else:
            value = loss_in_pieces(network, loss, batch, pieces)
        (3 * value).backward()
        gradients = {key: p.grad.clone() for key, p in network.named_parameters() if p.grad is not None}
        found.append((value.item(), gradients))
    (whole, whole_gradients), (cut, cut_gradients) = found
    assert cut == pytest.approx(whole, rel=1e-5)
    assert cut_gradients.keys() == whole_gradients.keys()
    for key, gradient in cut_gradients.items():
        torch.testing.assert_close(gradient, whole_gradients[key], rtol=1e-4, atol=1e-6, msg=key)


@pytest.mark.parametrize("name", LOSSES)
def test_only_losses_of_single_cells_are_cut(name: str) -> None:
    loss = loss_of(name)
    asked = train_config("trainer=cpu", "trainer.tags_at_once=3", "trainer.batch_size=4").trainer
    if name in COUPLED:
        with pytest.raises(ConfigError, match=r"trainer\.tags_at_once: found 3 with a loss"):
            choose_tags_at_once(asked, loss, NUM_TAGS)
        assert choose_tags_at_once(replace(asked, tags_at_once=None), loss, 10**7) is None
    else:
        assert choose_tags_at_once(asked, loss, NUM_TAGS) == 3
        assert choose_tags_at_once(asked, loss, 3) is None
        assert choose_tags_at_once(replace(asked, tags_at_once=None), loss, NUM_TAGS) is None
        assert choose_tags_at_once(replace(asked, tags_at_once=None), loss, 10**7) == 2**20


def test_shared_weights_are_not_cut() -> None:
    asked = train_config("trainer=fsdp", "trainer.tags_at_once=3", "trainer.batch_size=4").trainer
    with pytest.raises(ConfigError, match=r"trainer\.strategy=fsdp"):
        choose_tags_at_once(asked, loss_of("bce"), NUM_TAGS)
