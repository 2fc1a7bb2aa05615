"""An earlier bundle's weights in a network whose tags may be others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertModel

from tagnet.bundle import Bundle, load_network
from tagnet.config import ModelConfig
from tagnet.errors import BundleError
from tagnet.model.encoder import Encoder, load_encoder
from tagnet.model.network import TaggerNetwork
from tagnet.training.warm_start import EarlierNetwork, WarmStart

Make = Callable[..., TaggerNetwork]
Write = Callable[..., Bundle]


def start_from_bundle(network: TaggerNetwork, tags: tuple[str, ...], folder: str) -> WarmStart:
    """Both halves of a warm start."""
    earlier = EarlierNetwork(network, folder)
    earlier.copy_encoder()
    return earlier.copy_rows(tags)


def noisy_encoder() -> Encoder:
    """A tiny encoder whose weights nobody else has."""
    encoder = load_encoder("tiny")
    with torch.no_grad():
        for parameter in encoder.module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return encoder


@pytest.mark.parametrize("head", ["linear", "label_attention"])
def test_rows_of_common_tags_and_all_else_come_over(head: Any, make_network: Make, write_tiny_bundle: Write) -> None:
    model = ModelConfig("mean", head, 0.1, None, False, None)
    bundle = write_tiny_bundle(tags=("a", "b", "c"), network=make_network(3, head=head), model=model)
    earlier = load_network(bundle)
    network = make_network(4, encoder=noisy_encoder(), head=head)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = start_from_bundle(network, ("c", "d", "a", "e"), str(bundle.folder))
    assert (found.kept, found.new, found.gone) == (("c", "a"), ("d", "e"), ("b",))
    for name, value in network.state_dict().items():
        old = earlier.state_dict()[name]
        if name.startswith("head."):
            assert torch.equal(value[[0, 2]], old[[2, 0]]), name
            assert torch.equal(value[[1, 3]], before[name][[1, 3]]), name
        else:
            assert torch.equal(value, old), name
            assert not torch.equal(value, before[name]) or not value.is_floating_point(), name


def test_the_same_tags_give_the_same_logits(make_network: Make, write_tiny_bundle: Write) -> None:
    bundle = write_tiny_bundle()
    network = make_network(encoder=noisy_encoder())
    start_from_bundle(network, tuple(reversed(bundle.tags)), str(bundle.folder))
    ids = torch.tensor([[101, 7, 102]])
    with torch.no_grad():
        expected_1K = load_network(bundle)(ids, torch.ones_like(ids)).flip(1)
        torch.testing.assert_close(network(ids, torch.ones_like(ids)), expected_1K, atol=1e-6, rtol=0)


def test_no_tag_in_common(make_network: Make, write_tiny_bundle: Write) -> None:
    network = make_network(1, encoder=noisy_encoder())
    head = network.head.weight.clone()
    found = start_from_bundle(network, ("new",), str(write_tiny_bundle().folder))
    assert found.kept == ()
    assert torch.equal(network.head.weight, head)


def test_what_came_over_can_be_trained(make_network: Make, write_tiny_bundle: Write) -> None:
    network = make_network(encoder=noisy_encoder())
    start_from_bundle(network, ("databases", "graphs", "new"), str(write_tiny_bundle().folder))
    ids = torch.tensor([[101, 7, 102]])
    network(ids, torch.ones_like(ids)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def deeper(tiny: Encoder, layers: int) -> Encoder:
    config = BertConfig(
        vocab_size=tiny.tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=64,
    )
    return replace(tiny, module=BertModel(config, add_pooling_layer=False), config=config.to_dict())


@pytest.mark.parametrize(
    ("change", "different"),
    [
        ({"head": "label_attention"}, r"head\.query"),
        ({"pooling": "attention"}, r"pooling\."),
        ({"layers": 1}, r"encoder\.encoder\.layer\.1"),
        ({"layers": 3}, r"encoder\.encoder\.layer\.2"),
    ],
)
def test_another_network_is_refused_and_left_as_it_was(
    change: dict[str, Any], different: str, make_network: Make, write_tiny_bundle: Write, tiny: Encoder
) -> None:
    bundle = write_tiny_bundle()
    encoder = deeper(tiny, change["layers"]) if "layers" in change else noisy_encoder()
    network = make_network(encoder=encoder, **{key: value for key, value in change.items() if key != "layers"})
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(BundleError, match=rf"model\.init_from=.* \({different}.* differs\)") as caught:
        start_from_bundle(network, bundle.tags, str(bundle.folder))
    assert "encoder=tiny model.pooling=mean model.head=linear" in str(caught.value)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_no_bundle(make_network: Make, tmp_path: Any) -> None:
    with pytest.raises(BundleError, match="found no bundle"):
        start_from_bundle(make_network(), ("a", "b", "c"), str(tmp_path))
