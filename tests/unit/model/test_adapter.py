"""Adapters in the encoder: what is trained, what is not, and the plain weights that come of it."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tagnet.config import LoraConfig, NoAdapterConfig, OptimConfig
from tagnet.errors import ConfigError, MissingExtraError
from tagnet.model.adapter import add_adapter, merge_adapter, require_adapter_extra
from tagnet.model.embedded import EMBEDDED_ENCODER
from tagnet.model.encoder import Encoder, load_encoder
from tagnet.model.network import TaggerNetwork, enable_gradient_checkpointing
from tagnet.training.optim import parameter_groups

LORA = LoraConfig("lora", rank=4, alpha=8.0, dropout=0.0, targets=None)
IDS_ST = torch.tensor([[5, 7, 8, 9], [5, 11, 9, 1]])
MASK_ST = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])

Make = Callable[..., TaggerNetwork]


def loud(network: TaggerNetwork) -> TaggerNetwork:
    """Give the adapters something to say, as training would have."""
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    return network


def logits(network: TaggerNetwork) -> Tensor:
    with torch.no_grad():
        found: Tensor = network(IDS_ST, MASK_ST)
    return found


def adapted(network: TaggerNetwork) -> list[str]:
    """The layers that have an adapter."""
    names = [name for name, _ in network.encoder.named_parameters() if ".lora_A." in name]
    return [name.partition(".lora_A.")[0] for name in names]


# ------------------------------------------------------------------------------------------------------ architectures


def test_adapters_start_from_the_encoder_as_it_was_and_merge_into_a_plain_one(
    architecture: str, save_encoder: Callable[..., Path], make_network: Make
) -> None:
    network = make_network(encoder=load_encoder(str(save_encoder(architecture))))
    plain = copy.deepcopy(network)
    linear = [name for name, module in network.encoder.named_modules() if type(module).__name__ in ("Linear", "Conv1D")]
    add_adapter(network.encoder, LORA)
    assert adapted(network) == linear
    assert torch.equal(logits(network), logits(plain))

    unmerged = logits(loud(network))
    assert (unmerged - logits(plain)).abs().max() > 0.01, "the adapters are too quiet for the test to mean anything"
    merge_adapter(network.encoder)
    torch.testing.assert_close(logits(network), unmerged, atol=1e-5, rtol=0)
    assert list(network.state_dict()) == list(plain.state_dict())
    assert [type(module) for module in network.modules()] == [type(module) for module in plain.modules()]
    assert all(parameter.requires_grad for parameter in network.parameters())
    plain.load_state_dict(network.state_dict())
    assert torch.equal(logits(plain), logits(network))


def test_only_adapters_pooling_and_head_learn_and_all_of_them_do(
    architecture: str, save_encoder: Callable[..., Path], make_network: Make
) -> None:
    network = make_network(encoder=load_encoder(str(save_encoder(architecture))), pooling="attention")
    add_adapter(network.encoder, LORA)
    network(IDS_ST, MASK_ST).square().sum().backward()
    # Several processes that average gradients wait for each of them: none may be left out.
    learning = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert learning == {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    inside = {name for name in learning if name.startswith("encoder.")}
    assert all(".lora_A." in name or ".lora_B." in name for name in inside)
    outside = {name for name, _ in network.named_parameters() if not name.startswith("encoder.")}
    assert learning - inside == outside


def test_activations_may_be_computed_again(
    architecture: str, save_encoder: Callable[..., Path], make_network: Make
) -> None:
    encoder = load_encoder(str(save_encoder(architecture)), dropout=0.1)
    network = make_network(encoder=encoder).train()
    add_adapter(network.encoder, replace(LORA, dropout=0.1))
    loud(network)

    def gradients() -> dict[str, Tensor]:
        network.zero_grad()
        torch.manual_seed(1)
        network(IDS_ST, MASK_ST).square().sum().backward()
        return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}

    kept = gradients()
    calls = 0
    if architecture == "mpnet":
        with pytest.raises(ConfigError, match=r"trainer\.gradient_checkpointing: .* MPNetModel cannot"):
            enable_gradient_checkpointing(network.encoder)
        return
    enable_gradient_checkpointing(network.encoder)

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    dict(network.encoder.named_modules())[adapted(network)[0]].register_forward_hook(count)
    again = gradients()
    assert calls == 2
    assert kept.keys() == again.keys()
    for name, value in kept.items():
        torch.testing.assert_close(again[name], value, msg=name)


# ------------------------------------------------------------------------------------------------------------ targets


def test_the_embedded_encoder_with_query_and_value_alone(make_network: Make) -> None:
    network = make_network(encoder=load_encoder(EMBEDDED_ENCODER))
    add_adapter(network.encoder, replace(LORA, targets=("query", "attention.self.value")))
    assert adapted(network) == [
        f"encoder.layer.{n}.attention.self.{part}" for n in range(6) for part in ("query", "value")
    ]
    unmerged = logits(loud(network))
    merge_adapter(network.encoder)
    torch.testing.assert_close(logits(network), unmerged, atol=1e-5, rtol=0)


def test_a_target_is_a_whole_name_or_its_end(make_network: Make) -> None:
    network = make_network()
    add_adapter(network.encoder, replace(LORA, targets=("encoder.layer.1.output.dense", "intermediate.dense")))
    assert adapted(network) == [
        "encoder.layer.0.intermediate.dense",
        "encoder.layer.1.intermediate.dense",
        "encoder.layer.1.output.dense",
    ]


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("qeury", "; did you mean query?"),
        ("encoder.layer.7.output.dense", "; did you mean encoder.layer.1.output.dense?"),
        ("uery", "; did you mean query?"),
        ("word_embeddings", ""),
        ("", ""),
    ],
)
def test_a_target_that_is_not_there_is_one_clear_error(target: str, hint: str, make_network: Make) -> None:
    network = make_network()
    with pytest.raises(ConfigError) as error:
        add_adapter(network.encoder, replace(LORA, targets=("value", target)))
    assert str(error.value) == (
        f"adapter.targets: expected names of linear layers of BertModel, found {target!r}{hint}\n"
        "It has dense, key, query, value; null takes all of them."
    )
    assert adapted(network) == []


# ----------------------------------------------------------------------------------------------------------- settings


def test_rank_alpha_and_dropout(make_network: Make) -> None:
    network = make_network()
    layer = network.encoder.get_submodule("encoder.layer.0.attention.self.query")
    assert isinstance(layer, nn.Linear)
    add_adapter(network.encoder, replace(LORA, rank=2, alpha=3.0, dropout=0.25, targets=("query",)))
    loud(network)
    weights = {name.rpartition("query.")[2]: p for name, p in network.named_parameters() if "layer.0" in name}
    down_RI, up_OR = weights["lora_A.default.weight"], weights["lora_B.default.weight"]
    assert down_RI.shape == (2, 32)
    assert up_OR.shape == (32, 2)
    before_OI = layer.weight.clone()
    rates = {m.p for name, m in network.named_modules() if "lora_dropout" in name and isinstance(m, nn.Dropout)}
    assert rates == {0.25}
    merge_adapter(network.encoder)
    assert network.encoder.get_submodule("encoder.layer.0.attention.self.query") is layer
    torch.testing.assert_close(layer.weight, before_OI + 3.0 / 2 * up_OR @ down_RI)


def test_adapters_learn_at_the_rate_of_their_layer(make_network: Make) -> None:
    network = make_network()
    add_adapter(network.encoder, LORA)
    names = {parameter: name for name, parameter in network.named_parameters()}
    config = OptimConfig(1.0, 7.0, 0.5, 0.1, 0.1, "linear", clip_norm=1.0, fused=True)
    seen = []
    for group in parameter_groups(network, config):
        parameters = group["params"]
        assert isinstance(parameters, list)
        for parameter in parameters:
            name = names[parameter]
            seen.append(name)
            rate = 7.0 if not name.startswith("encoder.") else {"0": 0.5, "1": 1.0}[name.split(".")[3]]
            assert group["lr"] == rate, name
            assert group["weight_decay"] == (0.1 if parameter.ndim > 1 else 0.0), name
    assert sorted(seen) == sorted(name for name, p in network.named_parameters() if p.requires_grad)


def test_without_an_adapter_nothing_changes(tiny: Encoder) -> None:
    before = copy.deepcopy(tiny.module)
    add_adapter(tiny.module, NoAdapterConfig("none"))
    merge_adapter(tiny.module)
    assert list(tiny.module.state_dict()) == list(before.state_dict())
    assert all(parameter.requires_grad for parameter in tiny.module.parameters())


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    require_adapter_extra(LORA)
    monkeypatch.setitem(sys.modules, "peft", None)
    require_adapter_extra(NoAdapterConfig("none"))
    with pytest.raises(MissingExtraError, match=r"adapter=lora .* peft\.\n.*pip install 'tagnet\[lora\]'"):
        require_adapter_extra(LORA)
