"""What processes tell each other; here there is only one, in a group of its own or in none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist
from lightning_utilities.core.rank_zero import rank_zero_only

from tagnet.errors import ProcessError
from tagnet.training.distributed import any_process, ending_together, gather, is_first_process, leave_group


def test_the_launcher_says_which_process_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 0, raising=False)
    assert is_first_process()
    monkeypatch.setattr(rank_zero_only, "rank", 3)
    assert not is_first_process()
    monkeypatch.setattr(rank_zero_only, "rank", None)
    assert is_first_process()


def test_alone_a_process_hears_itself() -> None:
    assert gather({"a": 1}) == [{"a": 1}]
    assert [any_process(value, torch.device("cpu")) for value in (True, False)] == [True, False]
    leave_group()


@pytest.mark.skipif(not dist.is_available(), reason="PyTorch was built without its distributed package")
def test_a_group_is_heard_and_left(tmp_path: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        assert gather([1, "b"]) == [[1, "b"]]
        assert [any_process(value, torch.device("cpu")) for value in (True, False)] == [True, False]
    finally:
        leave_group()
    assert not dist.is_initialized()
    assert gather(2) == [2]


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (RuntimeError("[pair.cc:553] Connection closed by peer [127.0.0.1]:4321"), ProcessError),
        (RuntimeError("a bug"), RuntimeError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_an_error_ends_the_processes_that_this_one_has_started(error: BaseException, seen: type[BaseException]) -> None:
    killed: list[int] = []
    strategy = SimpleNamespace(launcher=SimpleNamespace(kill=killed.append))
    trainer: Any = SimpleNamespace(strategy=strategy, global_rank=0, world_size=2)
    with pytest.raises(seen), ending_together(trainer):
        raise error
    assert killed == [9]
    with ending_together(trainer):
        pass
    assert killed == [9]
