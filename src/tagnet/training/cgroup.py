"""What a container or a batch system allows this process: memory and processor time, by Linux's control groups.

A group is limited by itself and by every group above it. Version 2 has one tree for everything, version 1 one for each
kind of limit; both are read, for machines have either, and some have both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TREE = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


@dataclass(frozen=True)
class Limits:
    """What the groups of this process allow; None: they say nothing."""

    memory: int | None = None
    """Bytes that may be in use, over all processes of the tightest group."""
    memory_free: int | None = None
    """Bytes that are left of it."""
    cores: float | None = None
    """Processor seconds a second; 1.5 is one and a half cores."""


def read_limits(tree: Path = _TREE, membership: Path = _MEMBERSHIP) -> Limits:
    """Read the limits of this process; elsewhere than on Linux there are none.

    Args:
        tree: where the groups are mounted.
        membership: says which group this process is in.
    """
    memory, free, cores = [], [], []
    for folder in _groups("", tree, membership):
        memory.append(limit := _number(folder / "memory.max"))
        free.append(_left(limit, _number(folder / "memory.current"), _cache(folder, "inactive_file")))
        quota, _, period = _text(folder / "cpu.max").partition(" ")
        cores.append(int(quota) / int(period) if quota.isdigit() and period.isdigit() else None)
    for folder in _groups("memory", tree, membership):
        memory.append(limit := _number(folder / "memory.limit_in_bytes"))
        used = _number(folder / "memory.usage_in_bytes")
        free.append(_left(limit, used, _cache(folder, "total_inactive_file")))
    for folder in _groups("cpu", tree, membership):
        quota_us, period_us = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        cores.append(quota_us / period_us if quota_us and period_us else None)
    return Limits(
        min((each for each in memory if each is not None), default=None),
        min((each for each in free if each is not None), default=None),
        min((each for each in cores if each is not None), default=None),
    )


def _groups(controller: str, tree: Path, membership: Path) -> Iterator[Path]:
    """The folders of this process's group and of those above it, for a controller of version 1; "": version 2."""
    lines = (line.split(":", 2) for line in _text(membership).splitlines())
    for _, controllers, name in (line for line in lines if len(line) == 3):
        if controller not in controllers.split(","):
            continue
        for root in (tree / controller,) if controller else (tree, tree / "unified"):
            inner = root.joinpath(*Path(name).parts[1:])
            # A container may see its own group as the root, and still be told the name that the host knows it by.
            yield from (folder for folder in (inner, *inner.parents) if folder.is_relative_to(root) and folder.is_dir())


def _left(limit: int | None, used: int | None, cache: int) -> int | None:
    """What is left of a limit; files that nobody reads any more give way before anything fails."""
    return None if limit is None or used is None else max(0, limit - max(0, used - cache))


def _cache(folder: Path, key: str) -> int:
    rows = (line.split() for line in _text(folder / "memory.stat").splitlines())
    return next((int(row[1]) for row in rows if len(row) == 2 and row[0] == key), 0)


def _number(file: Path) -> int | None:
    """The number in a file; None where there is no file, or it says that there is no limit."""
    text = _text(file)
    # Version 1 says "no limit" with the largest multiple of a page.
    return int(text) if text.isdigit() and int(text) < 2**60 else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except OSError:
        return ""
