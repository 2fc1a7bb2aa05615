"""Which of its machine's processes this one is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tagnet.training.local_rank import local_rank


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, 0),
        ({"LOCAL_RANK": "2"}, 2),  # torchrun, and processes that Lightning has started
        ({"SLURM_LOCALID": "3"}, 3),
        ({"SLURM_LOCALID": "0", "LOCAL_RANK": "1"}, 1),  # torchrun in a task of srun
    ],
)
def test_its_number_on_the_machine(environment: dict[str, str], found: int) -> None:
    assert local_rank(environment) == found


def test_it_can_be_asked_for_without_pytorch() -> None:
    # The command line asks when it prints an error, whatever is installed.
    script = "import sys; import tagnet.cli.console; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0
