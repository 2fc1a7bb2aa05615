"""Whether a machine can compile is tried before anything is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lightning_utilities.core.rank_zero import rank_zero_only

from tagnet.config import TrainConfig
from tagnet.errors import HardwareError
from tagnet.training.compilation import check_compiler

MakeConfig = Callable[..., TrainConfig]


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without compiler, and without what one made earlier."""
    # torch looks for g++ if there is none of this name, and keeps what it has found.
    import torch._inductor.config as inductor
    from torch._inductor.cpp_builder import cpp_compiler_search

    cpp_compiler_search.cache_clear()
    monkeypatch.setattr(inductor.cpp, "cxx", ("/nowhere/g++",))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch.compiler.reset()


@pytest.mark.usefixtures("no_compiler")
def test_a_machine_without_compiler_is_one_clear_error(make_config: MakeConfig) -> None:
    with pytest.raises(HardwareError, match=r"trainer\.compile=true: expected .*compiler") as found:
        check_compiler(make_config("trainer.compile=true").trainer)
    assert "use trainer.compile=false" in str(found.value)
    assert len(str(found.value).splitlines()) == 2


@pytest.mark.usefixtures("no_compiler")
def test_it_is_tried_only_where_it_is_needed(make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    check_compiler(make_config().trainer)
    monkeypatch.setattr(rank_zero_only, "rank", 1, raising=False)
    check_compiler(make_config("trainer.compile=true").trainer)
