"""What processes tell each other; here there is only one, in a group of its own or in none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch.distributed as dist
from lightning_utilities.core.rank_zero import rank_zero_only

from tagnet.training.distributed import gather, is_first_process, leave_group


def test_the_launcher_says_which_process_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 0, raising=False)
    assert is_first_process()
    monkeypatch.setattr(rank_zero_only, "rank", 3)
    assert not is_first_process()
    monkeypatch.setattr(rank_zero_only, "rank", None)
    assert is_first_process()


def test_alone_a_process_hears_itself() -> None:
    assert gather({"a": 1}) == [{"a": 1}]
    leave_group()


@pytest.mark.skipif(not dist.is_available(), reason="PyTorch was built without its distributed package")
def test_a_group_is_heard_and_left(tmp_path: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        assert gather([1, "b"]) == [[1, "b"]]
    finally:
        leave_group()
    assert not dist.is_initialized()
    assert gather(2) == [2]
