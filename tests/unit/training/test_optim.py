"""Layer-wise rates and the schedule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AlbertConfig, AutoModel, BertConfig, DebertaV2Config, DistilBertConfig, ModernBertConfig

from tagnet.config import OptimConfig, TrainConfig
from tagnet.model.encoder import Encoder
from tagnet.model.network import TaggerNetwork
from tagnet.training.optim import (
    choose_batch_size,
    choose_epochs,
    make_optimizer,
    make_schedule,
    parameter_groups,
    rate_factor,
)

CONFIG = OptimConfig(
    lr=1.0,
    head_lr=7.0,
    layer_decay=0.5,
    weight_decay=0.1,
    warmup=0.1,
    schedule="linear",
    clip_norm=1.0,
    fused=True,
)
SIZES: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
MODERN: dict[str, Any] = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "cls_token_id": 0, "sep_token_id": 2}
DEBERTA: dict[str, Any] = {"relative_attention": True, "norm_rel_ebd": "layer_norm"}

Make = Callable[..., TaggerNetwork]


def rates_of(network: TaggerNetwork, config: OptimConfig = CONFIG) -> dict[str, tuple[float, float]]:
    """Rate and decay of every parameter, by name."""
    names = {parameter: name for name, parameter in network.named_parameters()}
    found: dict[str, tuple[float, float]] = {}
    for group in parameter_groups(network, config):
        parameters: Any = group["params"]
        for parameter in parameters:
            assert names[parameter] not in found
            found[names[parameter]] = (float(str(group["lr"])), float(str(group["weight_decay"])))
    return found


def with_encoder(make_network: Make, tiny: Encoder, config: Any, **model: Any) -> TaggerNetwork:
    module = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    return make_network(encoder=replace(tiny, module=module, hidden_size=16), **model)


def test_each_layer_learns_at_its_own_rate(make_network: Make, tiny: Encoder) -> None:
    network = with_encoder(make_network, tiny, BertConfig(**SIZES), pooling="attention")
    network.encoder.pooler = None  # type: ignore[assignment]
    rates = rates_of(network)
    assert set(rates) == {name for name, _ in network.named_parameters()}
    for name, (rate, decay) in rates.items():
        expected = {"0": 0.25, "1": 0.5, "2": 1.0}.get(name.split(".")[3] if "layer." in name else "", 0.125)
        if not name.startswith("encoder."):
            expected = 7.0
        assert rate == expected, name
        assert decay == (0.1 if network.get_parameter(name).ndim > 1 else 0.0), name


@pytest.mark.parametrize(
    ("config", "last", "embeddings", "rate"),
    [
        (
            DistilBertConfig(vocab_size=50, dim=16, n_layers=3, n_heads=2, hidden_dim=32),
            ["transformer.layer.2.ffn.lin1.weight"],
            ["embeddings.word_embeddings.weight", "embeddings.LayerNorm.weight"],
            0.125,
        ),
        (
            ModernBertConfig(**SIZES, **MODERN),
            ["layers.2.attn.Wqkv.weight", "final_norm.weight"],
            ["embeddings.tok_embeddings.weight", "embeddings.norm.weight"],
            0.125,
        ),
        (
            DebertaV2Config(**SIZES, **DEBERTA),
            ["encoder.layer.2.output.dense.weight", "encoder.LayerNorm.weight"],
            ["embeddings.word_embeddings.weight", "encoder.rel_embeddings.weight"],
            0.125,
        ),
        (
            AlbertConfig(**SIZES, embedding_size=8),  # all layers share their weights
            ["encoder.albert_layer_groups.0.albert_layers.0.ffn.weight"],
            ["embeddings.word_embeddings.weight", "encoder.embedding_hidden_mapping_in.weight"],
            0.5,
        ),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "model_type") else "",
)
def test_layers_are_found_in_every_architecture(
    config: Any, last: list[str], embeddings: list[str], rate: float, make_network: Make, tiny: Encoder
) -> None:
    rates = rates_of(with_encoder(make_network, tiny, config))
    assert {rates[f"encoder.{name}"][0] for name in last} == {1.0}
    assert {rates[f"encoder.{name}"][0] for name in embeddings} == {rate}


def test_one_rate_for_all_layers(make_network: Make) -> None:
    rates = rates_of(make_network(), replace(CONFIG, layer_decay=1.0))
    assert {rate for name, (rate, _) in rates.items() if name.startswith("encoder.")} == {1.0}


def test_frozen_weights_are_left_out(make_network: Make) -> None:
    network = make_network()
    network.encoder.requires_grad_(False)
    assert set(rates_of(network)) == {"head.weight", "head.bias"}


def test_a_step_moves_the_head_most_and_the_embeddings_least(make_network: Make) -> None:
    network = make_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = make_optimizer(network, replace(CONFIG, lr=1e-3, head_lr=1e-2, weight_decay=0.0), "32-true")
    ids = torch.tensor([[101, 7, 8, 102]])
    network(ids, torch.ones_like(ids)).square().sum().backward()
    optimizer.step()
    moved = {name: float((value - before[name]).abs().max()) for name, value in network.state_dict().items()}
    assert moved["head.weight"] == pytest.approx(1e-2, rel=1e-3)
    assert moved["encoder.encoder.layer.1.output.dense.weight"] == pytest.approx(1e-3, rel=1e-2)
    assert moved["encoder.encoder.layer.0.output.dense.weight"] == pytest.approx(5e-4, rel=1e-2)
    assert moved["encoder.embeddings.word_embeddings.weight"] == pytest.approx(2.5e-4, rel=1e-2)


# ---------------------------------------------------------------------------------------------------------- schedule


@given(
    num_steps=st.integers(1, 500),
    warmup=st.floats(0, 0.99),
    schedule=st.sampled_from(["linear", "cosine", "constant"]),
)
def test_the_rate_rises_to_its_peak_and_never_again(num_steps: int, warmup: float, schedule: Any) -> None:
    config = replace(CONFIG, warmup=warmup, schedule=schedule)
    factors = [rate_factor(step, num_steps, config) for step in range(num_steps)]
    peak = factors.index(max(factors))
    assert max(factors) == pytest.approx(1.0)
    assert all(0 < factor <= 1 for factor in factors)
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert abs(peak + 1 - warmup * num_steps) <= 1.5
    after = rate_factor(num_steps, num_steps, config)
    assert after == pytest.approx(1.0 if schedule == "constant" else 0.0)


def test_half_of_a_cosine() -> None:
    config = replace(CONFIG, warmup=0.0, schedule="cosine")
    assert [rate_factor(step, 4, config) for step in range(5)] == pytest.approx(
        [1, 0.853553, 0.5, 0.146447, 0], abs=1e-6
    )


def test_the_schedule_is_applied_to_every_group(make_network: Make) -> None:
    optimizer = make_optimizer(make_network(), CONFIG, "32-true")
    peaks = [group["lr"] for group in optimizer.param_groups]
    schedule = make_schedule(optimizer, 10, replace(CONFIG, warmup=0.2))
    seen = []
    for _ in range(10):
        seen.append([group["lr"] / peak for group, peak in zip(optimizer.param_groups, peaks, strict=True)])
        optimizer.step()
        schedule.step()
    for step, factors in enumerate(seen):
        assert factors == pytest.approx([rate_factor(step, 10, replace(CONFIG, warmup=0.2))] * len(peaks))


@given(
    steps_an_epoch=st.integers(1, 5000),
    steps=st.integers(1, 5000),
    epoch_range=st.tuples(st.integers(1, 20), st.integers(1, 20)).map(lambda pair: (min(pair), max(pair))),
)
def test_epochs_come_near_the_steps_within_the_range(
    steps_an_epoch: int, steps: int, epoch_range: tuple[int, int]
) -> None:
    chosen = choose_epochs(steps_an_epoch, steps, epoch_range)
    distances = {n: abs(n * steps_an_epoch - steps) for n in range(epoch_range[0], epoch_range[1] + 1)}
    assert distances[chosen] == min(distances.values())


@pytest.mark.parametrize(("precision", "fused"), [("32-true", True), ("bf16-mixed", True), ("16-mixed", False)])
def test_half_precision_is_not_fused(make_network: Callable[..., TaggerNetwork], precision: str, fused: bool) -> None:
    optimizer = make_optimizer(make_network(), replace(CONFIG, fused=True), precision)
    assert optimizer.defaults["fused"] is fused


@pytest.mark.parametrize(
    ("given", "records", "found"),
    [
        ("null", 1000, 16),
        ("null", 7400, 16),
        ("null", 7500, 32),
        ("null", 43_410, 64),
        ("null", 10**9, 64),
        ("8", 43_410, 8),
        ("128", 100, 128),
    ],
)
def test_batches_grow_with_the_corpus_where_no_size_is_given(
    given: str, records: int, found: int, make_config: Callable[..., TrainConfig]
) -> None:
    config = make_config("trainer=auto", f"trainer.batch_size={given}", "trainer.steps=350")
    assert choose_batch_size(config.trainer, records) == found
