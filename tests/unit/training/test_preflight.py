"""The check before training: what it refuses, what it says, and that it errs on neither side."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from tagnet.config import TrainConfig
from tagnet.data.prepare import Prepared
from tagnet.data.tokens import TokenizedTexts, tokenize
from tagnet.errors import HardwareError
from tagnet.model.encoder import Encoder
from tagnet.model.network import TaggerNetwork
from tagnet.training import gpu_trial, preflight
from tagnet.training.memory import HEAP_SLACK, BatchShape, Footprint, trace_evaluation, trace_step
from tagnet.training.optim import choose_batch_size
from tagnet.training.preflight import (
    activation_bound,
    check_gpu,
    check_memory,
    longest_batch,
    needed_memory,
    per_process,
)

MakeConfig = Callable[..., TrainConfig]
MIB = 2**20


@pytest.fixture
def tokens(tiny: Encoder, prepared: Prepared) -> TokenizedTexts:
    return tokenize(tiny.tokenizer, prepared.texts, 64)


@pytest.fixture
def network(make_network: Callable[..., TaggerNetwork]) -> TaggerNetwork:
    return make_network()


@pytest.fixture
def available(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let that many bytes be available."""
    return lambda size: monkeypatch.setattr(preflight, "available_memory", lambda: size)


def needed(config: TrainConfig, network: TaggerNetwork, tokens: TokenizedTexts, prepared: Prepared) -> int:
    records = len(prepared.split.train)
    size = per_process(config.trainer, min(choose_batch_size(config.trainer, records), records))
    step = trace_step(network, longest_batch(tokens, prepared.split.train, size), None)
    assert step is not None
    return needed_memory(step, config.trainer)


# ------------------------------------------------------------------------------------------------------ batch


def test_the_largest_batch_has_the_texts_of_most_windows() -> None:
    starts = np.array([0, 10, 20, 30, 34, 64])
    texts = TokenizedTexts(np.zeros(64, np.int32), starts, np.array([0, 2, 3, 4, 5]), np.zeros(4, np.bool_), 32)
    assert longest_batch(texts, np.arange(4), 1) == BatchShape(1, 2, 10)
    assert longest_batch(texts, np.arange(4), 2) == BatchShape(2, 3, 30)
    assert longest_batch(texts, np.array([1, 2]), 2) == BatchShape(2, 2, 10)
    # A sampler shows some twice.
    assert longest_batch(texts, np.array([0, 2]), 3) == BatchShape(3, 5, 10)


def test_no_batch_of_any_epoch_is_larger(make_config: MakeConfig, tokens: TokenizedTexts, prepared: Prepared) -> None:
    from tagnet.data.batches import collate, plan_epoch

    bound = longest_batch(tokens, prepared.split.train, 16)
    for epoch in range(20):
        for batch in plan_epoch(tokens.lengths_N, prepared.split.train, 16, 0, epoch):
            shape = collate(tokens, batch, 0).input_ids_ST.shape
            assert shape[0] <= bound.sequences
            assert shape[1] <= bound.tokens


# -------------------------------------------------------------------------------------------------------- RAM


def test_what_fits_passes_in_silence(
    make_config: MakeConfig,
    network: TaggerNetwork,
    tokens: TokenizedTexts,
    prepared: Prepared,
    available: Callable[[int], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = make_config("trainer.batch_size=32")
    available(int(needed(config, network, tokens, prepared) * HEAP_SLACK) + MIB)
    check_memory(config, network, tokens, prepared)
    assert not caplog.records


@pytest.mark.parametrize("head", ["linear", "label_attention"])
@pytest.mark.parametrize("shape", [BatchShape(1, 1, 4), BatchShape(16, 16, 71), BatchShape(8, 24, 256)])
def test_the_bound_is_above_what_is_traced(
    make_network: Callable[..., TaggerNetwork], head: str, shape: BatchShape
) -> None:
    network = make_network(head=head)
    step, evaluation = trace_step(network, shape, None), trace_evaluation(network, shape, None)
    assert step is not None
    assert evaluation is not None
    bound = activation_bound(network, shape)
    assert bound is not None
    assert max(step.activations, evaluation) < bound


def test_what_fits_by_far_is_not_traced(
    make_config: MakeConfig,
    network: TaggerNetwork,
    tokens: TokenizedTexts,
    prepared: Prepared,
    available: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    traced = []
    monkeypatch.setattr(preflight, "trace_step", lambda *_: traced.append(1))
    available(100 * 2**30)
    check_memory(make_config(), network, tokens, prepared)
    assert not traced
    available(20 * MIB)
    check_memory(make_config(), network, tokens, prepared)
    assert traced


def test_what_may_not_fit_is_warned_of(
    make_config: MakeConfig,
    network: TaggerNetwork,
    tokens: TokenizedTexts,
    prepared: Prepared,
    available: Callable[[int], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = make_config("trainer.batch_size=32")
    available(needed(config, network, tokens, prepared))
    with caplog.at_level(logging.WARNING, "tagnet"):
        check_memory(config, network, tokens, prepared)
    assert "tagnet doctor" in caplog.text


def test_what_cannot_fit_is_refused_with_a_way_out_that_fits(
    make_config: MakeConfig,
    network: TaggerNetwork,
    tokens: TokenizedTexts,
    prepared: Prepared,
    available: Callable[[int], None],
) -> None:
    config = make_config("trainer.batch_size=100000000", "trainer.eval_batch_size=1")
    size = len(prepared.split.train)
    available(room := 20 * MIB)
    assert needed(config, network, tokens, prepared) > room
    with pytest.raises(HardwareError) as error:
        check_memory(config, network, tokens, prepared)
    message = str(error.value)
    assert message.startswith(f"trainer.batch_size=100000000: {size} texts of up to ")
    for way in ("gradient_checkpointing=true", "data.max_tokens", "precision=bf16-mixed", "adapter=lora"):
        assert way in message
    words = dict(word.split("=") for word in message.split() if word.startswith("trainer.") and word.count("=") == 1)
    batch, accumulate = int(words["trainer.batch_size"]), int(words["trainer.accumulate"])
    assert batch * accumulate >= size > batch * (accumulate - 1)
    check_memory(make_config(f"trainer.batch_size={batch}", "trainer.eval_batch_size=1"), network, tokens, prepared)


def test_where_not_even_one_text_fits_no_batch_size_is_proposed(
    make_config: MakeConfig,
    network: TaggerNetwork,
    tokens: TokenizedTexts,
    prepared: Prepared,
    available: Callable[[int], None],
) -> None:
    available(MIB)
    with pytest.raises(HardwareError, match="not even one fits") as error:
        check_memory(make_config("trainer.gradient_checkpointing=true"), network, tokens, prepared)
    assert "accumulate" not in str(error.value)
    assert "gradient_checkpointing" not in str(error.value)
    assert "a smaller encoder" in str(error.value)


def test_a_large_evaluation_batch_is_refused_too(
    make_config: MakeConfig,
    network: TaggerNetwork,
    tokens: TokenizedTexts,
    prepared: Prepared,
    available: Callable[[int], None],
) -> None:
    config = make_config("trainer.batch_size=1", "trainer.eval_batch_size=1000")
    held_out = len(prepared.split.val) + len(prepared.split.test)
    everything = trace_evaluation(network, longest_batch(tokens, prepared.split.val, held_out), None)
    assert everything is not None
    available(needed(config, network, tokens, prepared) + everything // 3)
    with pytest.raises(HardwareError, match=r"^trainer\.eval_batch_size=1000: ") as error:
        check_memory(config, network, tokens, prepared)
    proposed = int(str(error.value).rsplit("eval_batch_size=", 1)[1].split(",")[0])
    check_memory(make_config("trainer.batch_size=1", f"trainer.eval_batch_size={proposed}"), network, tokens, prepared)


def test_an_oversampled_epoch_can_fill_a_larger_batch(
    make_config: MakeConfig,
    network: TaggerNetwork,
    tokens: TokenizedTexts,
    prepared: Prepared,
    available: Callable[[int], None],
) -> None:
    def texts(*settings: str) -> int:
        available(MIB)
        with pytest.raises(HardwareError) as error:
            check_memory(make_config("trainer.batch_size=5000", *settings), network, tokens, prepared)
        return int(str(error.value).split(": ")[1].split()[0])

    assert texts() == len(prepared.split.train)
    assert texts("sampler=oversample", "sampler.fraction=0.5") > len(prepared.split.train)


def test_processes_of_a_machine_share_its_memory(make_config: MakeConfig) -> None:
    step = Footprint(weights=100, gradients=90, optimizer=180, activations=1000)
    cpu = "trainer.accelerator=cpu"
    assert needed_memory(step, make_config().trainer) == 1270
    two = make_config("trainer=ddp", cpu, "trainer.devices=2").trainer
    assert needed_memory(step, two) == 2 * (100 + 90 + 90 + 180 + 1000) - 100
    assert needed_memory(step, make_config("trainer=fsdp", cpu, "trainer.devices=2").trainer) == 2 * (1100 + 135) - 100
    assert per_process(two, 33) == 17


def test_the_first_process_decides_for_its_machine(
    make_config: MakeConfig,
    network: TaggerNetwork,
    tokens: TokenizedTexts,
    prepared: Prepared,
    available: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = make_config("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    available(MIB)  # what the others have left
    monkeypatch.setenv("LOCAL_RANK", "1")
    check_memory(config, network, tokens, prepared)
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(HardwareError):
        check_memory(config, network, tokens, prepared)


def test_an_encoder_that_cannot_be_traced_is_let_through(
    make_config: MakeConfig,
    network: TaggerNetwork,
    tokens: TokenizedTexts,
    prepared: Prepared,
    available: Callable[[int], None],
) -> None:
    def look(module: Any, args: Any, kwargs: Any) -> None:
        assert int(kwargs["input_ids"].max()) >= 0

    network.encoder.register_forward_pre_hook(look, with_kwargs=True)
    available(MIB)
    check_memory(make_config(), network, tokens, prepared)


# -------------------------------------------------------------------------------------------------------- GPU


@pytest.fixture
def small_gpu(monkeypatch: pytest.MonkeyPatch, network: TaggerNetwork) -> Callable[[int], None]:
    """A GPU, played by the CPU, whose memory runs out beyond that many texts."""

    def play(most: int) -> None:
        monkeypatch.setattr(preflight, "own_gpu", lambda: torch.device("cpu"))
        monkeypatch.setattr(preflight, "free_on", lambda device: 3 * 2**30)

        def look(module: Any, args: Any, kwargs: Any) -> None:
            if len(kwargs["input_ids"]) > most:
                raise torch.OutOfMemoryError("CUDA out of memory.")

        network.encoder.register_forward_pre_hook(look, with_kwargs=True)

    return play


def test_a_batch_that_runs_out_of_gpu_memory_is_refused(
    make_config: MakeConfig, network: TaggerNetwork, small_gpu: Callable[[int], None]
) -> None:
    small_gpu(100)
    with pytest.raises(HardwareError) as error:
        check_gpu(make_config("trainer.batch_size=256"), network, BatchShape(256, 256, 16), BatchShape(8, 8, 16))
    message = str(error.value)
    assert message.startswith("trainer.batch_size=256: 256 texts of up to 16 tokens do not fit, and 3.0 GiB")
    assert "about 95 fit" in message
    assert "trainer.batch_size=86 trainer.accumulate=3" in message
    assert all(parameter.grad is None for parameter in network.parameters())


def test_an_evaluation_batch_that_runs_out_of_gpu_memory_is_refused(
    make_config: MakeConfig, network: TaggerNetwork, small_gpu: Callable[[int], None]
) -> None:
    small_gpu(100)
    with pytest.raises(HardwareError, match=r"^trainer\.eval_batch_size=256: .*\n.*eval_batch_size=64"):
        check_gpu(make_config("trainer.eval_batch_size=256"), network, BatchShape(16, 16, 16), BatchShape(256, 256, 16))


def test_what_runs_on_the_gpu_passes(
    make_config: MakeConfig, network: TaggerNetwork, small_gpu: Callable[[int], None]
) -> None:
    small_gpu(100)
    check_gpu(make_config(), network, BatchShape(100, 100, 16), BatchShape(100, 100, 16))


@pytest.mark.parametrize("strategy", ["single", "ddp"])
def test_gradients_lie_beside_an_evaluation_batch(
    strategy: str,
    make_config: MakeConfig,
    network: TaggerNetwork,
    small_gpu: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small_gpu(100)
    held: dict[bool, int] = {}
    empty_like = torch.empty_like

    def count(like: torch.Tensor) -> torch.Tensor:
        held[network.training] = held.get(network.training, 0) + like.numel()
        return empty_like(like)

    monkeypatch.setattr(torch, "empty_like", count)
    settings = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2") if strategy == "ddp" else ()
    check_gpu(make_config(*settings), network, BatchShape(16, 16, 16), BatchShape(16, 16, 16))
    assert held[False] - held[True] == sum(parameter.numel() for parameter in network.parameters())


def test_a_network_that_gpus_share_is_not_tried_on_one(
    make_config: MakeConfig, network: TaggerNetwork, small_gpu: Callable[[int], None]
) -> None:
    small_gpu(0)
    config = make_config("trainer=fsdp", "trainer.accelerator=cpu", "trainer.devices=2")
    check_gpu(config, network, BatchShape(16, 16, 16), BatchShape(16, 16, 16))


def test_each_process_has_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name in ("LOCAL_RANK", "SLURM_LOCALID"):
        monkeypatch.delenv(name, raising=False)
    assert gpu_trial.own_gpu() == torch.device("cuda", 0)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert gpu_trial.own_gpu() == torch.device("cuda", 1)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)  # a task that sees one GPU alone
    assert gpu_trial.own_gpu() == torch.device("cuda", 0)
