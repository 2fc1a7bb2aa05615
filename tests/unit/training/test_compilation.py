"""Whether a machine can compile is tried where it is needed, by one process.

In tests/integration/test_hardware.py there is no compiler in earnest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning_utilities.core.rank_zero import rank_zero_only

from tagnet.config import TrainConfig
from tagnet.errors import HardwareError
from tagnet.training.compilation import check_compiler

MakeConfig = Callable[..., TrainConfig]


@pytest.fixture(autouse=True)
def _compiling_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def compile(function: Any) -> Any:
        def failing(*words: Any) -> Any:
            raise RuntimeError("Python.h: No such file\nand a hundred lines more")

        return failing

    monkeypatch.setattr(torch, "compile", compile)


def test_what_is_wrong_is_one_line_and_how_to_mend_it_another(make_config: MakeConfig) -> None:
    with pytest.raises(HardwareError, match=r"trainer\.compile=true: .* found: Python\.h: No such file\n.*=false"):
        check_compiler(make_config("trainer.compile=true").trainer)


def test_it_is_tried_only_where_it_is_needed(make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    check_compiler(make_config().trainer)
    monkeypatch.setattr(rank_zero_only, "rank", 1, raising=False)
    check_compiler(make_config("trainer.compile=true").trainer)
