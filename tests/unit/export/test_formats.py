"""The code in the model cards runs as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tagnet.bundle import Bundle, load_network
from tagnet.export.formats import FORMATS


@pytest.mark.parametrize("to", ["huggingface", "onnx", "torch-export"])
def test_the_code_in_the_card_runs(
    to: str, write_tiny_bundle: Callable[..., Bundle], repository: Path, tmp_path: Path
) -> None:
    bundle = write_tiny_bundle()
    folder = tmp_path / "out"
    folder.mkdir()
    FORMATS[to].write(bundle, load_network(bundle), folder)
    usage = FORMATS[to].usage(bundle)
    blocks = re.findall(r"```python\n(.*?)```", usage, flags=re.DOTALL)
    assert blocks
    for block in blocks:
        ends = {"accepted": "print(accepted)", "tags": "print(len(tags), probabilities.shape, accepted.shape)"}
        more = [line for name, line in ends.items() if re.search(rf"^{name} = ", block, flags=re.MULTILINE)]
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", "\n".join([block.replace("this/folder", "."), *more])],
            cwd=folder,
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": str(repository / "src"),
                "HF_HUB_OFFLINE": "1",
                "HF_HOME": str(tmp_path / "cache"),
            },
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        if "tags = " in block:
            assert done.stdout.startswith("3 ")
            assert done.stdout.count("1, 3") == 2
