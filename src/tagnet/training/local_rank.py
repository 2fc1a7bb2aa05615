"""Which of its machine's processes this one is; asked where PyTorch may not be installed."""

from __future__ import annotations

import os
from collections.abc import Mapping


def local_rank(environment: Mapping[str, str] = os.environ) -> int:
    """Its number on this machine, from 0, as torchrun, Lightning or srun has given it; 0 where it is alone.

    >>> local_rank({"LOCAL_RANK": "3", "SLURM_LOCALID": "0"}), local_rank({"SLURM_LOCALID": "1"}), local_rank({})
    (3, 1, 0)
    """
    return int(environment.get("LOCAL_RANK", environment.get("SLURM_LOCALID", "0")))
