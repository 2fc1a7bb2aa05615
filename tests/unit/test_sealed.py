"""A description that knows itself and its neighbours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tagnet.errors import BundleError
from tagnet.sealed import check_files, read_sealed, write_sealed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "a").write_text("content")
    write_sealed(tmp_path / "it.json", {"format_version": 3, "größe": [1.5]}, {"a"})
    return tmp_path / "it.json"


def check(path: Path) -> None:
    found = read_sealed(path, "a thing", 3)
    check_files(path, found["files"], always={"a"}, sometimes={"b"}, what="the thing")


def test_it_comes_back(path: Path) -> None:
    assert read_sealed(path, "a thing", 3)["größe"] == [1.5]
    check(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"größe": [2]}, "not what its own fingerprint says"),
        ({"fingerprint": None}, "not what its own fingerprint says"),
        ({"format_version": 4}, "expected format version 3, found 4; use the tagnet that wrote it"),
        ({"format_version": None}, "expected a thing's description, found JSON without a format version"),
    ],
)
def test_a_change_is_seen(change: dict[str, object], message: str, path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BundleError, match=message):
        check(path)


def test_files_are_held_against_it(path: Path) -> None:
    file = path.with_name("a")
    file.write_text("other")
    with pytest.raises(BundleError, match=r"a: its SHA-256 is not the one in it\.json"):
        check(path)
    file.unlink()
    with pytest.raises(BundleError, match="a: this file of the thing is missing"):
        check(path)
    write_sealed(path, {"format_version": 3}, set())
    with pytest.raises(BundleError, match="expected fingerprints of a, found none"):
        check(path)


@pytest.mark.parametrize("content", [b"", b"\xff", b"[" * 99_999])
def test_what_is_no_json(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(BundleError, match="expected JSON, found something else"):
        check(path)
