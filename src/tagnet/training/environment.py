"""What a run ran on: versions, commit, hardware."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

_PACKAGES = (
    "tagnet",
    "torch",
    "transformers",
    "tokenizers",
    "datasets",
    "pytorch-lightning",
    "hydra-core",
    "iterative-stratification",
    "scikit-learn",
    "numpy",
    "safetensors",
)


def environment(seed: int) -> dict[str, str]:
    """Versions, commit, hardware and seed as plain text values, for environment.json and the report."""
    found = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "seed": str(seed),
        "commit": _commit(),
    }
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _commit() -> str:
    """The commit of the checkout that tagnet runs from; `none` for an installed wheel."""
    folder = Path(__file__).resolve().parent
    if "site-packages" in folder.parts:
        return "none"
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "none"
    return done.stdout.strip()
