"""Checkpoints: there whole or not at all, and what is said of those that cannot be read."""

from __future__ import annotations

import resource
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tagnet.errors import RunDirectoryError
from tagnet.training.checkpoint_files import WholeFiles, load_file

CONTENT = {"state_dict": {"weight": torch.arange(50_000.0)}, "global_step": 7}


@pytest.fixture
def small_files() -> Iterator[None]:
    """A disk that takes 100 kB of a file."""
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_checkpoint_takes_no_way_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    path = tmp_path / "checkpoints" / "best.ckpt"
    WholeFiles().save_checkpoint(CONTENT, str(path))
    assert [each.name for each in path.parent.iterdir()] == ["best.ckpt"]
    found = load_file(path)
    assert found["global_step"] == 7
    assert torch.equal(found["state_dict"]["weight"], CONTENT["state_dict"]["weight"])  # type: ignore[index]


def test_the_same_content_is_the_same_file(tmp_path: Path) -> None:
    for name in ("a.ckpt", "b.ckpt"):
        WholeFiles().save_checkpoint(CONTENT, tmp_path / name)
    assert (tmp_path / "a.ckpt").read_bytes() == (tmp_path / "b.ckpt").read_bytes()


def test_on_a_full_disk_the_earlier_one_stays(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path = tmp_path / "best.ckpt"
    WholeFiles().save_checkpoint(CONTENT, path)
    before = path.read_bytes()
    request.getfixturevalue("small_files")
    with pytest.raises(RunDirectoryError, match=r"/best\.ckpt: cannot be written \(File too large\)"):
        WholeFiles().save_checkpoint({**CONTENT, "global_step": 8}, path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("something else"),
        lambda path: path.write_bytes(path.read_bytes()[:-1000]),
        lambda path: path.write_bytes(path.read_bytes()[:1000]),
        lambda path: path.write_bytes((content := path.read_bytes())[:90_000] + b"\xff\xff\xff" + content[90_003:]),
    ],
    ids=["gone", "empty", "another", "cut", "cut short", "changed"],
)
def test_one_that_cannot_be_read_is_one_clear_error(damage: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "best.ckpt"
    WholeFiles().save_checkpoint(CONTENT, path)
    damage(path)
    with pytest.raises(RunDirectoryError, match=r"/best\.ckpt: expected the weights .*\nChoose another run\.dir"):
        load_file(path)
