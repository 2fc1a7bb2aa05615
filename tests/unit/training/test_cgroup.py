"""Limits of containers, read from trees as Linux lays them out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tagnet.training.cgroup import Limits, read_limits

MIB = 2**20
NO_LIMIT = "9223372036854771712"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return tmp_path / "cgroup"


def put(folder: Path, **files: str | int) -> None:
    """Write files, whose names have dots where keywords have two underscores."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def member(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "membership"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_version_2_takes_the_tightest_group(tmp_path: Path, tree: Path) -> None:
    put(tree / "job", memory__max=900 * MIB, memory__current=700 * MIB, cpu__max="150000 100000")
    put(tree / "job" / "step", memory__max="max", memory__current=100 * MIB, cpu__max="max 100000")
    found = read_limits(tree, member(tmp_path, "0::/job/step"))
    assert found == Limits(memory=900 * MIB, memory_free=200 * MIB, cores=1.5)


def test_files_that_nobody_reads_give_way(tmp_path: Path, tree: Path) -> None:
    put(tree, memory__max=900 * MIB, memory__current=700 * MIB, memory__stat=f"anon 1\ninactive_file {300 * MIB}")
    assert read_limits(tree, member(tmp_path, "0::/")).memory_free == 500 * MIB


def test_version_1_has_a_tree_for_each_kind(tmp_path: Path, tree: Path) -> None:
    put(
        tree / "memory" / "docker" / "abc",
        memory__limit_in_bytes=800 * MIB,
        memory__usage_in_bytes=300 * MIB,
        memory__stat=f"total_inactive_file {100 * MIB}",
    )
    put(tree / "memory", memory__limit_in_bytes=NO_LIMIT, memory__usage_in_bytes=9000 * MIB)
    put(tree / "cpu" / "docker" / "abc", cpu__cfs_quota_us=250000, cpu__cfs_period_us=100000)
    put(tree / "cpu", cpu__cfs_quota_us=-1, cpu__cfs_period_us=100000)
    lines = ("4:memory:/docker/abc", "2:cpu,cpuacct:/docker/abc", "9:name=systemd:/", "0::/")
    assert read_limits(tree, member(tmp_path, *lines)) == Limits(800 * MIB, 600 * MIB, 2.5)


def test_a_container_may_know_its_group_by_the_name_of_the_host(tmp_path: Path, tree: Path) -> None:
    put(tree / "memory", memory__limit_in_bytes=800 * MIB, memory__usage_in_bytes=300 * MIB)
    found = read_limits(tree, member(tmp_path, "4:memory:/docker/a-name-that-is-not-here"))
    assert found == Limits(800 * MIB, 500 * MIB, None)


def test_groups_of_others_do_not_count(tmp_path: Path, tree: Path) -> None:
    put(tree / "mine", memory__max="max")
    put(tree / "theirs", memory__max=MIB, memory__current=0)
    assert read_limits(tree, member(tmp_path, "0::/mine")) == Limits()


def test_elsewhere_there_are_none(tmp_path: Path, tree: Path) -> None:
    assert read_limits(tree, tmp_path / "nothing") == Limits()
    assert read_limits(tree, member(tmp_path, "0::/", "nonsense")) == Limits()
