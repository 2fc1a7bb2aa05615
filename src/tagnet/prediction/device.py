"""Which device a network runs on."""

from __future__ import annotations

import torch

from tagnet.errors import ConfigError, HardwareError, nearest

_DEVICES = ("cpu", "gpu", "auto")


def choose_device(name: str) -> torch.device:
    """The device that `cpu`, `gpu` or `auto` stands for.

    Raises:
        HardwareError: a GPU was asked for where there is none.
        ConfigError: it is none of the three.
    """
    if name not in _DEVICES:
        raise ConfigError(f"device: expected {', '.join(_DEVICES)}; found {name!r}{nearest(name, _DEVICES)}")
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise HardwareError(
            "trainer.accelerator (or the device of a Tagger): expected a GPU for 'gpu', and PyTorch finds none here.\n"
            "Use cpu or auto."
        )
    return torch.device("cuda")
