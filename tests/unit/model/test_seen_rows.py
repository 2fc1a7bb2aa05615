"""Word embeddings of which some rows are trained are, to everyone else, the whole table."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tagnet.model.encoder import load_encoder
from tagnet.model.seen_rows import SeenRows, train_seen_rows

SEEN = torch.tensor([1, 4, 5])


def table() -> nn.Embedding:
    torch.manual_seed(0)
    return nn.Embedding(8, 3)


def test_the_same_embeddings_gradients_and_steps_as_the_whole_table() -> None:
    whole = table()
    some = SeenRows(table(), SEEN)
    ids = torch.tensor([[1, 4], [4, 5]])
    optimizers = [torch.optim.AdamW(module.parameters(), lr=0.1, weight_decay=0.0) for module in (whole, some)]
    for scale in (1.0, -3.0, 0.5):
        for module, optimizer in zip((whole, some), optimizers, strict=True):
            optimizer.zero_grad()
            (module(ids) ** 2 * scale).sum().backward()
            optimizer.step()
    torch.testing.assert_close(some.whole_VH(), whole.weight.detach())
    some.eval()
    every = torch.arange(8)
    torch.testing.assert_close(some(every), whole(every))


def test_it_is_saved_and_read_as_the_whole_table() -> None:
    some = SeenRows(table(), SEEN)
    with torch.no_grad():
        some.weight.add_(1)
    plain = nn.Embedding(8, 3)
    plain.load_state_dict(some.state_dict())
    torch.testing.assert_close(plain.weight[SEEN], some.weight)
    torch.testing.assert_close(plain.weight[0], table().weight[0])
    again = SeenRows(table(), SEEN)
    again.load_state_dict(some.state_dict())
    assert torch.equal(again.weight, some.weight)
    assert torch.equal(again.whole_VH(), some.whole_VH())
    assert list(some.state_dict()) == ["weight"]


def test_a_frozen_table_stays_as_it_is() -> None:
    module: Any = load_encoder("tiny").module
    module.get_input_embeddings().weight.requires_grad_(False)
    assert train_seen_rows(module, SEEN) == 0
    assert type(module.get_input_embeddings()) is nn.Embedding
    module.get_input_embeddings().weight.requires_grad_(True)
    assert train_seen_rows(module, SEEN) == 3
    assert module.get_input_embeddings().weight.shape == (3, 32)
