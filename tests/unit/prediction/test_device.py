"""Which device a network runs on."""

from __future__ import annotations

import pytest
import torch

from tagnet.errors import ConfigError, HardwareError
from tagnet.prediction.device import choose_device


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("cpu").type == choose_device("auto").type == "cpu"
    with pytest.raises(HardwareError, match="PyTorch finds none"):
        choose_device("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type == choose_device("gpu").type == "cuda"
    with pytest.raises(ConfigError, match=r"device: expected cpu, gpu, auto; found 'gpus'; did you mean gpu\?"):
        choose_device("gpus")
