"""Whether torch.compile works here: it needs a C++ compiler and Python's headers, and on a GPU Triton as well."""

from __future__ import annotations

import torch
from torch import Tensor

from tagnet.config import TrainerConfig
from tagnet.errors import HardwareError
from tagnet.model.pretrained import first_line
from tagnet.prediction.device import choose_device
from tagnet.training.distributed import is_first_process


def check_compiler(config: TrainerConfig) -> None:
    """Compile something small where the settings ask for compilation, before anything is read.

    Only a trial can tell. It takes some seconds, most of which the run's own compilation then saves.

    Raises:
        HardwareError: it cannot be compiled.
    """
    # The others' trials would each take room on the first GPU.
    if not config.compile or not is_first_process():
        return
    numbers = torch.ones(2, device=choose_device(config.accelerator))
    try:
        torch.compile(_double)(numbers)
    except Exception as error:  # whatever compilers, linkers and drivers make of a machine
        raise HardwareError(
            f"trainer.compile=true: expected a machine on which torch.compile works, found: {first_line(error)}\n"
            "Install a C++ compiler and the headers of this Python, or use trainer.compile=false."
        ) from error


def _double(numbers: Tensor) -> Tensor:
    return 2 * numbers
