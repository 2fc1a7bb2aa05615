"""The memory of a step: traced figures against a real process, and what they leave alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tagnet.config import LoraConfig
from tagnet.model.adapter import add_adapter
from tagnet.model.network import TaggerNetwork, enable_gradient_checkpointing
from tagnet.training.memory import BatchShape, largest, state_memory, trace_evaluation, trace_step

MakeNetwork = Callable[..., TaggerNetwork]
SHAPE = BatchShape(16, 16, 128)


def activations(network: TaggerNetwork, shape: BatchShape = SHAPE, dtype: torch.dtype | None = None) -> int:
    step = trace_step(network, shape, dtype)
    assert step is not None
    return step.activations


def test_what_does_not_depend_on_the_batch(make_network: MakeNetwork) -> None:
    network = make_network()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    state = state_memory(network)
    assert state.gradients == 4 * parameters
    assert state.optimizer == 8 * parameters
    assert state.weights == 4 * parameters + sum(buffer.nbytes for buffer in network.buffers())
    assert state.activations == 0
    assert state.total == state.weights + 12 * parameters


def test_activations_grow_with_the_batch_and_more_than_that_with_the_texts(make_network: MakeNetwork) -> None:
    network = make_network()
    small = activations(network, BatchShape(1000, 1000, 128))
    assert activations(network, BatchShape(4000, 4000, 128)) == pytest.approx(4 * small, rel=0.01)
    assert activations(network, BatchShape(1000, 1000, 256)) > 2.2 * small


@pytest.mark.parametrize("size", [10**8, 10**11])
def test_a_batch_of_any_size_can_be_traced(make_network: MakeNetwork, size: int) -> None:
    assert activations(make_network(), BatchShape(size, size, 128)) > 500_000 * size


def test_checkpointing_and_adapters_need_less(make_network: MakeNetwork) -> None:
    network = make_network()
    plain = activations(network)
    enable_gradient_checkpointing(network.encoder)
    assert activations(network) < 0.7 * plain
    add_adapter(network.encoder, LoraConfig("lora", 4, 8, 0.0, None))
    trained = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    state = state_memory(network)
    assert state.gradients == 4 * trained < state.weights / 20


@pytest.mark.parametrize("head", ["linear", "label_attention"])
@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_nothing_is_changed(make_network: MakeNetwork, head: str, dtype: torch.dtype | None) -> None:
    network = make_network(head=head)
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    torch.manual_seed(3)
    before = torch.get_rng_state()
    activations(network, dtype=dtype)
    trace_evaluation(network, SHAPE, dtype)
    assert torch.equal(torch.get_rng_state(), before)
    assert not network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    for name, value in network.state_dict().items():
        assert type(value) is torch.Tensor
        assert torch.equal(value, weights[name])


def test_a_compiled_encoder_is_traced_and_not_compiled(make_network: MakeNetwork) -> None:
    plain = activations(make_network())
    network = make_network()
    network.encoder.compile(backend="eager")
    assert activations(network) == plain


def test_evaluation_needs_less_than_training(make_network: MakeNetwork) -> None:
    found = trace_evaluation(make_network(), SHAPE, None)
    assert found is not None
    assert found < activations(make_network()) / 2


def test_an_encoder_that_decides_by_what_a_tensor_holds_has_no_figure(make_network: MakeNetwork) -> None:
    network = make_network()

    def look(module: Any, args: Any, kwargs: Any) -> None:
        assert int(kwargs["input_ids"].max()) >= 0

    network.encoder.register_forward_pre_hook(look, with_kwargs=True)
    assert trace_step(network, SHAPE, None) is None
    assert trace_evaluation(network, SHAPE, None) is None
    assert largest(lambda texts: None, 2**30, 4) is None


@pytest.mark.parametrize("start", [1, 7, 5000])
def test_the_largest_batch_is_the_last_that_fits(make_network: MakeNetwork, start: int) -> None:
    network = make_network()

    def need(texts: int) -> int:
        step = trace_step(network, BatchShape(texts, texts, 64), None)
        assert step is not None
        return step.total

    found = largest(need, 2**30, start)
    assert found is not None
    assert need(found) <= 2**30 < need(found + max(1, found // 50))


def test_nothing_fits_into_less_than_the_weights(make_network: MakeNetwork) -> None:
    assert largest(lambda texts: 1000 + texts, 10, 4) == 0


REAL = """
import json, sys
import torch
from tagnet.config import ModelConfig
from tagnet.model.encoder import load_encoder
from tagnet.model.network import TaggerNetwork, enable_gradient_checkpointing
from tagnet.training.memory import BatchShape, stand_in, trace_step, training_step

def status(key):
    with open("/proc/self/status") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(key))

asked = json.loads(sys.argv[1])
shape = BatchShape(asked["texts"], asked["texts"], asked["tokens"])
torch.set_num_threads(1)
network = TaggerNetwork(load_encoder("tiny"), ModelConfig("mean", "linear", 0.1, None, False, None), 50).train()
if asked["checkpointing"]:
    enable_gradient_checkpointing(network.encoder)
step = trace_step(network, shape, None)
optimizer = torch.optim.AdamW(network.parameters(), fused=True)
with torch.no_grad():
    training_step(network, stand_in(network, BatchShape(2, 2, 8)), None)
with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")
before = status("VmRSS")
for _ in range(2):
    loss = training_step(network, stand_in(network, shape), None)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(json.dumps({"real": status("VmHWM") - before, "traced": step.total - step.weights}))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells a process its peak memory")
@pytest.mark.parametrize(
    ("texts", "tokens", "checkpointing"),
    [
        (96, 128, False),
        pytest.param(48, 384, False, marks=pytest.mark.slow),
        pytest.param(384, 128, True, marks=pytest.mark.slow),
    ],
)
def test_the_traced_figure_is_that_of_a_real_process(texts: int, tokens: int, checkpointing: bool) -> None:
    asked: dict[str, Any] = {"texts": texts, "tokens": tokens, "checkpointing": checkpointing}
    # Memory that is freed goes back at once, so that the peak is that of the tensors, not that of the heap.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-c", REAL, json.dumps(asked)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True, timeout=120)
    found = json.loads(done.stdout)
    assert found["traced"] == pytest.approx(found["real"], rel=0.1), found
