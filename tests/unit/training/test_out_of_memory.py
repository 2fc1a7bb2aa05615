"""Memory that runs out in the midst of a run."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tagnet.config import TrainConfig
from tagnet.errors import HardwareError
from tagnet.training.out_of_memory import memory_errors, ways_out

MakeConfig = Callable[..., TrainConfig]


def test_a_machine_without_more_memory_is_one_clear_error(make_config: MakeConfig) -> None:
    with pytest.raises(HardwareError) as error, memory_errors(make_config("trainer.batch_size=48")):
        torch.empty(2**55)
    message = str(error.value)
    assert message.startswith("trainer.batch_size=48: the machine ran out of memory (")
    assert len(message.splitlines()) == 3
    assert "trainer.batch_size=24 trainer.accumulate=2" in message


@pytest.mark.parametrize(
    "raised", [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), MemoryError()]
)
def test_so_are_these(raised: Exception, make_config: MakeConfig) -> None:
    with pytest.raises(HardwareError, match="ran out of memory") as error, memory_errors(make_config()):
        raise raised
    assert ("the GPU ran" in str(error.value)) == isinstance(raised, torch.OutOfMemoryError)


@pytest.mark.parametrize("raised", [RuntimeError("shapes do not match"), ValueError("no"), KeyboardInterrupt()])
def test_other_errors_stay_what_they_are(raised: BaseException, make_config: MakeConfig) -> None:
    with pytest.raises(type(raised)), memory_errors(make_config()):
        raise raised


def test_only_ways_that_lead_out_are_named(make_config: MakeConfig) -> None:
    plain = ways_out(make_config("trainer.accumulate=2"), 100, 30)
    assert "trainer.batch_size=25 trainer.accumulate=8 (the same steps, in parts)" in plain
    # There, the parts are other steps.
    between_records = ways_out(make_config("loss=two_way"), 100, 30)
    assert "trainer.batch_size=25 trainer.accumulate=4, " in between_records
    tried = make_config("trainer.gradient_checkpointing=true", "trainer.precision=bf16-mixed", "adapter=lora")
    assert ways_out(tried, 100, 30).startswith("Ways out: trainer.batch_size=25 trainer.accumulate=4")
    for gone in ("gradient_checkpointing", "bf16", "lora"):
        assert gone not in ways_out(tried, 100, 30)
    assert "batch_size" not in ways_out(tried, 1, None)


def test_a_smaller_batch_is_one_of_all_processes(make_config: MakeConfig) -> None:
    two = make_config("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    assert "trainer.batch_size=50 trainer.accumulate=4" in ways_out(two, 100, 30)
