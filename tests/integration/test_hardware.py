"""What a machine lacks is one clear error, before anything is read."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

Tagnet = Callable[..., tuple[int, str, str]]

NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")


@NO_GPU
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("trainer=gpu",), ["trainer.accelerator", "expected a GPU", "Use cpu or auto"]),
        (("trainer=ddp", "trainer.accelerator=gpu"), ["trainer.accelerator", "expected a GPU"]),
        (("trainer=fsdp", "trainer.accelerator=gpu"), ["trainer.accelerator", "expected a GPU"]),
        (("trainer.precision=16-mixed",), ["trainer.precision=16-mixed", "expected a GPU"]),
        (("trainer=cpu", "trainer.precision=16-mixed"), ["trainer.precision", "on a CPU", "'16-mixed'"]),
        (("trainer=fsdp", "trainer.precision=16-mixed"), ["trainer.precision", "bf16-mixed or 32-true", "'16-mixed'"]),
    ],
)
def test_no_gpu(settings: tuple[str, ...], words: list[str], tagnet: Tagnet, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    # Records that are not there: they would be the error if anything were read before.
    code, out, err = tagnet("train", *settings, "data.records=nowhere.json", f"run.dir={folder}")
    assert (code, out) == (2, "")
    assert err.count("error: ") == 1
    message = err[err.index("error: ") :].strip()
    assert all(word in message for word in words), message
    assert len(message.splitlines()) <= 2
    assert "Traceback" not in err
    assert not folder.exists()


def test_no_compiler(tmp_path: Path) -> None:
    words = ("trainer=cpu", "trainer.compile=true", "data.records=nowhere.json", f"run.dir={tmp_path / 'run'}")
    # No kernels of an earlier compilation either.
    without = {"CXX": str(tmp_path / "g++"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "tagnet.cli.main", "train", *words],
        capture_output=True,
        text=True,
        timeout=200,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | without,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "trainer.compile=true: expected a machine on which torch.compile works" in done.stderr
    assert "use trainer.compile=false" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()
