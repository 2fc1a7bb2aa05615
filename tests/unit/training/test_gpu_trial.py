"""Trial steps: what they leave as it was, and how the largest batch is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tagnet.model.network import TaggerNetwork
from tagnet.training.gpu_trial import fits_on, largest_by_trial
from tagnet.training.memory import BatchShape

MakeNetwork = Callable[..., TaggerNetwork]
CPU = torch.device("cpu")
SHAPE = BatchShape(4, 4, 16)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_a_trial_changes_nothing(make_network: MakeNetwork, train: bool, dtype: torch.dtype | None) -> None:
    network = make_network()
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert fits_on(CPU, network, SHAPE, dtype, 2, train=train)
    assert torch.equal(torch.get_rng_state(), before)
    assert not network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    for name, value in network.state_dict().items():
        assert torch.equal(value, weights[name])


def test_a_trial_takes_two_steps_with_dropout_and_one_forward_without(make_network: MakeNetwork) -> None:
    network, seen = make_network(), []

    def look(module: Any, args: Any, kwargs: Any) -> None:
        gradients = [parameter.grad is not None for parameter in module.parameters()]
        seen.append((tuple(kwargs["input_ids"].shape), module.training, torch.is_grad_enabled(), all(gradients)))

    network.encoder.register_forward_pre_hook(look, with_kwargs=True)
    fits_on(CPU, network, SHAPE, None, 2)
    fits_on(CPU, network, SHAPE, None, 2, train=False)
    assert seen == [((4, 16), True, True, False), ((4, 16), True, True, True), ((4, 16), False, False, False)]


def test_memory_that_runs_out_is_an_answer_and_other_errors_are_not(make_network: MakeNetwork) -> None:
    network = make_network()
    raised: list[Exception] = [torch.OutOfMemoryError("CUDA out of memory."), ValueError("a bug")]

    def fail(module: Any, args: Any, kwargs: Any) -> None:
        raise raised.pop(0)

    network.encoder.register_forward_pre_hook(fail, with_kwargs=True)
    assert not fits_on(CPU, network, SHAPE, None, 2)
    with pytest.raises(ValueError, match="a bug"):
        fits_on(CPU, network, SHAPE, None, 2)
    assert not network.training


@given(limit=st.integers(0, 3000), start=st.integers(1, 4000), most=st.integers(1, 4000))
def test_the_largest_is_found_to_an_eighth(limit: int, start: int, most: int) -> None:
    asked: list[int] = []

    def fits(count: int) -> bool:
        asked.append(count)
        return count <= limit

    found, true = largest_by_trial(fits, start, most), min(limit, most)
    assert found <= true <= found + max(1, found // 8)
    assert found == true or true > 8
    assert all(1 <= count <= most for count in asked)
    assert len(asked) <= 2 * 13
