"""What a machine offers: processors, memory, GPUs, compilers, packages, disk. Nothing is built and nothing trained.

It is also asked where PyTorch is not installed, and says so. Sizes are in bytes.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tagnet.training.cgroup import read_limits
from tagnet.training.packages import missing_packages, versions

_SECONDS = 20.0
_SHARED_MEMORY = Path("/dev/shm")
_MEMORY = Path("/proc/meminfo")


@dataclass(frozen=True)
class Gpu:
    """One GPU that PyTorch can use."""

    name: str
    memory: int
    free: int | None
    """None: not asked, for an answer takes some of it."""
    capability: str
    """Compute capability, such as `9.0`."""


@dataclass(frozen=True)
class Machine:
    """What there is to train on."""

    python: str
    platform: str
    cores: float
    """Those that this process may use: processor affinity and the container's quota are taken into account."""
    cores_of_machine: int
    memory: int
    """RAM that this process may use: the machine's, or its container's limit."""
    memory_available: int
    """What of it can still be had without swapping."""
    gpus: tuple[Gpu, ...]
    driver: str | None
    """The NVIDIA driver's version; None: there is none."""
    cuda: str | None
    """The CUDA version that PyTorch was built for; None: it knows CPUs alone, or is not installed."""
    precisions: Mapping[str, bool]
    """Choices of trainer.precision → whether they work here."""
    compiler: str | None
    """The compiler with which torch.compile would work; None: not tried, or it would not."""
    backends: tuple[str, ...]
    """Through which processes can talk to each other."""
    packages: Mapping[str, str | None]
    """What tagnet depends on → its version; None: it is not installed."""
    extras: Mapping[str, tuple[str, ...]]
    """Extras of tagnet → what of them is not installed."""
    disk: str
    """The folder whose file system was looked at."""
    disk_free: int
    shared_memory: int | None
    """Size of /dev/shm, through which processes of a machine exchange data; None: there is none."""


def look_at_machine(folder: Path, *, quick: bool = False) -> Machine:
    """Look at this machine.

    Args:
        folder: of a run, there or not; its file system is looked at.
        quick: leave out what takes seconds or memory of a GPU: the trial of a compiler, and a GPU's free memory.
    """
    total, available = memory_limits()
    limits = read_limits()
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    place = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    return Machine(
        python=platform.python_version(),
        platform=platform.platform(),
        cores=affinity if limits.cores is None else min(affinity, limits.cores),
        cores_of_machine=os.cpu_count() or affinity,
        memory=total,
        memory_available=available,
        gpus=_gpus(quick),
        driver=_driver(),
        cuda=_cuda(),
        precisions=_precisions(),
        compiler=None if quick else find_compiler(),
        backends=_backends(),
        packages=versions(),
        extras=missing_packages(),
        disk=str(place),
        disk_free=shutil.disk_usage(place).free,
        shared_memory=shutil.disk_usage(_SHARED_MEMORY).total if _SHARED_MEMORY.is_dir() else None,
    )


def memory_limits() -> tuple[int, int]:
    """RAM that this process may use, and what of it is available now, in bytes: the tightest of all limits.

    Where a system does not say what is available, as macOS, all of it counts as available.
    """
    if _MEMORY.exists():
        lines = (line.split() for line in _MEMORY.read_text(encoding="ascii").splitlines())
        found = {words[0]: int(words[1]) * 1024 for words in lines}
        total, available = found["MemTotal:"], found["MemAvailable:"]
    else:
        total = available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = read_limits()
    if limits.memory is not None:
        total = min(total, limits.memory)
    if limits.memory_free is not None:
        available = min(available, limits.memory_free)
    return total, available


def available_memory() -> int:
    """RAM that this process can still have without swapping, in bytes."""
    return memory_limits()[1]


def _gpus(quick: bool) -> tuple[Gpu, ...]:
    if find_spec("torch") is None:
        return ()
    import torch

    found = []
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        properties = torch.cuda.get_device_properties(number)
        free = None if quick else torch.cuda.mem_get_info(number)[0]
        found.append(Gpu(properties.name, properties.total_memory, free, f"{properties.major}.{properties.minor}"))
    return tuple(found)


def _driver() -> str | None:
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    command = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(done.stdout.split()), None)


def _cuda() -> str | None:
    if find_spec("torch") is None:
        return None
    import torch

    return torch.version.cuda


def _precisions() -> dict[str, bool]:
    if find_spec("torch") is None:
        return {}
    import torch

    on_gpu = torch.cuda.is_available()
    return {
        "32-true": True,
        # Older GPUs emulate it, slower than float32.
        "bf16-mixed": not on_gpu or torch.cuda.is_bf16_supported(including_emulation=False),
        "16-mixed": on_gpu,
    }


def _backends() -> tuple[str, ...]:
    if find_spec("torch") is None:
        return ()
    import torch.distributed as dist

    if not dist.is_available():
        return ()
    there = {"nccl": dist.is_nccl_available(), "gloo": dist.is_gloo_available()}
    return tuple(name for name, is_there in there.items() if is_there)


def find_compiler() -> str | None:
    """The C++ compiler with which torch.compile would work: it is tried on Python's headers and OpenMP.

    None where there is none, or on a GPU no Triton, which torch.compile needs there.
    """
    if _cuda() is not None and find_spec("triton") is None:
        return None
    chosen = (os.environ.get("CXX"), "g++", "clang++", "c++")
    program = next((found for name in chosen if name and (found := shutil.which(name))), None)
    if program is None:
        return None
    source = "#include <Python.h>\n#include <omp.h>\nint threads() { return omp_get_max_threads(); }\n"
    options = ["-shared", "-fPIC", "-fopenmp", f"-I{sysconfig.get_path('include')}", "-x", "c++", "-"]
    with tempfile.TemporaryDirectory() as folder:
        command = [program, *options, "-o", str(Path(folder) / "trial.so")]
        try:
            done = subprocess.run(command, input=source, capture_output=True, text=True, timeout=_SECONDS)
        except (OSError, subprocess.SubprocessError):
            return None
    return program if done.returncode == 0 else None
