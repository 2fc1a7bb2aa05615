"""Sharding: every parameter has its part in it, and the gradients are those of the plain network.

Here one process is all there is; tests/integration/test_fsdp.py trains with two.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from tagnet.cli.compose import train_config
from tagnet.model.adapter import add_adapter
from tagnet.model.encoder import Encoder, build_encoder
from tagnet.model.network import TaggerNetwork, enable_gradient_checkpointing
from tagnet.training.module import TaggerModule
from tagnet.training.sharding import shard, transformer_layers

Make = Callable[..., TaggerNetwork]

IDS_ST = torch.randint(5, 50, (4, 12), generator=torch.Generator().manual_seed(0))
MASK_ST = torch.ones_like(IDS_ST)
SIZES = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[DeviceMesh]:
    """A group of this process alone."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    dist.destroy_process_group()


@pytest.fixture
def architecture(tiny: Encoder) -> Callable[..., Encoder]:
    """Small encoders of other architectures."""

    def build(model_type: str, **more: Any) -> Encoder:
        torch.manual_seed(0)
        config = {"model_type": model_type} | SIZES | more
        return replace(build_encoder(config, tiny.tokenizer, source=model_type), source=model_type)

    return build


def gradients(network: nn.Module) -> dict[str, Tensor | None]:
    """Of a loss in which every tag has another part."""
    logits_BK: Tensor = network(IDS_ST, MASK_ST)
    torch.autograd.backward((logits_BK * torch.arange(1.0, 1 + logits_BK.shape[1])).square().mean())
    found = ((name, parameter.grad) for name, parameter in network.named_parameters())
    return {name: grad.full_tensor() if isinstance(grad, DTensor) else grad for name, grad in found}


def assert_shards(network: TaggerNetwork, mesh: DeviceMesh) -> None:
    """Shard it: the gradients stay what they were, and no parameter is left out."""
    expected = gradients(copy.deepcopy(network))
    layers = transformer_layers(network.encoder)
    shard(network, mesh)
    assert all(isinstance(module, FSDPModule) for module in (*layers, network))
    assert [name for name, each in network.named_parameters() if not isinstance(each, DTensor)] == []
    found = gradients(network)
    assert found.keys() == expected.keys()
    for name, grad in expected.items():
        if grad is None:
            assert found[name] is None, name
        else:
            torch.testing.assert_close(found[name], grad, msg=name)


@pytest.mark.parametrize(
    "model", [{}, {"pooling": "attention"}, {"head": "label_attention"}], ids=["plain", "pooling", "head"]
)
def test_head_and_pooling_are_sharded_too(model: dict[str, str], mesh: DeviceMesh, make_network: Make) -> None:
    assert_shards(make_network(**model), mesh)


@pytest.mark.parametrize(
    ("name", "more", "num_layers"),
    [
        ("roberta", {}, 3),
        ("mpnet", {}, 3),
        ("deberta-v2", {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]}, 3),
        ("modernbert", {"cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2}, 3),
        # One layer that is passed several times.
        ("albert", {"embedding_size": 8}, 1),
    ],
)
def test_the_layers_of_any_encoder_are_found(
    name: str,
    more: dict[str, Any],
    num_layers: int,
    architecture: Callable[..., Encoder],
    mesh: DeviceMesh,
    make_network: Make,
) -> None:
    encoder = architecture(name, **more)
    assert len(transformer_layers(encoder.module)) == num_layers
    assert_shards(make_network(encoder=encoder), mesh)


def test_an_encoder_without_a_stack_is_one_group() -> None:
    assert transformer_layers(nn.Sequential(nn.Linear(2, 2))) == []


def test_frozen_weights_and_forgotten_activations(mesh: DeviceMesh, make_network: Make) -> None:
    network = make_network().train()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    add_adapter(network.encoder, train_config("adapter=lora", "adapter.dropout=0").adapter)
    enable_gradient_checkpointing(network.encoder)
    assert_shards(network, mesh)
    assert sum(parameter.grad is None for parameter in network.parameters()) > 20


def test_without_a_mesh_nothing_is_sharded(make_network: Make) -> None:
    module = TaggerModule(make_network(), nn.BCEWithLogitsLoss(), train_config().optim, 4, 0)
    before = {name: type(value) for name, value in module.named_parameters()}
    module.configure_model()
    assert {name: type(value) for name, value in module.named_parameters()} == before
