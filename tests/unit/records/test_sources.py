from __future__ import annotations

import hashlib
import http.client
import json
import urllib.request
from pathlib import Path

import pytest

from tagnet.errors import DataError
from tagnet.records import sources
from tagnet.records.fetch import fetch
from tagnet.records.sources import resolve_records, resolve_split_file, resolve_taxonomy

CONTENT = b'[{"id": 1}]'


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands in for the public address, with its own checksums; cache and TAGNET_DATA are clean."""
    folder = tmp_path / "upstream"
    folder.mkdir()
    for name in ("projects.json", "tags.json"):
        (folder / name).write_bytes(CONTENT)
    digest = hashlib.sha256(CONTENT).hexdigest()
    monkeypatch.setattr(sources, "_MADEWITHML_ADDRESS", f"{folder.as_uri()}/")
    monkeypatch.setattr(sources, "_MADEWITHML_SHA256", {"projects.json": digest, "tags.json": digest})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TAGNET_DATA", raising=False)
    return folder


def test_a_path_is_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "embedded.json"
    path.write_text("[]")
    for resolve in (resolve_records, resolve_taxonomy, resolve_split_file):
        assert resolve(str(path)) == path
        assert resolve(str(tmp_path)) == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve_records("~/embedded.json") == path


def test_the_embedded_files_are_those_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "files", lambda package: {"tagnet.corpus": tmp_path}[package])
    with pytest.raises(DataError, match=r"projects\.json: missing, though it comes with tagnet; install tagnet again"):
        resolve_records("embedded")
    for name in ("projects.json", "tags.json"):
        (tmp_path / name).write_text("[]")
    assert resolve_records("embedded") == tmp_path / "projects.json"
    assert resolve_taxonomy("embedded") == tmp_path / "tags.json"


def test_the_published_splits_come_with_the_package(shared_data: Path) -> None:
    path = resolve_split_file("madewithml")
    assert json.loads(path.read_text()) == json.loads((shared_data / "madewithml_splits.json").read_text())


def test_madewithml_is_fetched_once(upstream: Path, tmp_path: Path) -> None:
    path = resolve_records("madewithml")
    assert path == tmp_path / "cache" / "tagnet" / "madewithml" / "projects.json"
    assert path.read_bytes() == CONTENT
    assert [entry.name for entry in path.parent.iterdir()] == ["projects.json"]
    for file in upstream.iterdir():
        file.unlink()
    assert resolve_records("madewithml") == path
    with pytest.raises(DataError, match=r"tags\.json: cannot be fetched"):
        resolve_taxonomy("madewithml")


def test_a_damaged_cache_is_fetched_again(upstream: Path) -> None:
    path = resolve_taxonomy("madewithml")
    path.write_bytes(CONTENT[:4])
    assert resolve_taxonomy("madewithml").read_bytes() == CONTENT


def test_without_a_network_it_says_how_to_get_the_file(upstream: Path) -> None:
    (upstream / "projects.json").unlink()
    with pytest.raises(DataError) as caught:
        resolve_records("madewithml")
    message = str(caught.value)
    assert (upstream / "projects.json").as_uri() in message
    assert "set TAGNET_DATA to the folder you put it in" in message
    assert message.count("\n") == 1


def test_another_file_at_the_address_is_refused(upstream: Path, tmp_path: Path) -> None:
    (upstream / "projects.json").write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"expected SHA-256 \w{12}…, found \w{12}…: not the file that tagnet knows"):
        resolve_records("madewithml")
    assert not (tmp_path / "cache" / "tagnet" / "madewithml" / "projects.json").exists()


def test_tagnet_data_stands_before_the_cache(upstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_records("madewithml")
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.setenv("TAGNET_DATA", str(folder))
    with pytest.raises(DataError, match=r"mine/projects\.json: no such file; TAGNET_DATA names the folder"):
        resolve_records("madewithml")
    (folder / "projects.json").write_text("[]")
    assert resolve_records("madewithml") == folder / "projects.json"


def test_a_cache_that_cannot_be_written(upstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"the cache cannot be written .*set XDG_CACHE_HOME"):
        resolve_records("madewithml")


def test_an_address_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nonsense: cannot be fetched"):
        fetch("nonsense", "", tmp_path / "file")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("embeded", r"embeded: no such file; did you mean embedded\?"),
        ("madewithm", r"no such file; did you mean madewithml\?"),
        ("x" * 5000, "cannot be read"),
        ("gone.json", r"gone\.json: no such file"),
        ("owner/name", r"^owner/name: no such file; for a data set of the Hugging Face hub write hub:owner/name$"),
        ("owner/name.json", r"^owner/name\.json: no such file; its folder owner does not exist either$"),
    ],
)
def test_a_name_that_is_nothing(name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        resolve_records(name)


def test_an_answer_that_breaks_off_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Answer:
        def __enter__(self) -> Answer:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def read(self) -> bytes:
            raise http.client.IncompleteRead(b"half", 4)

    monkeypatch.setattr(urllib.request, "urlopen", lambda address, timeout: Answer())
    with pytest.raises(DataError, match=r"cannot be fetched \(IncompleteRead"):
        fetch("https://example.org/projects.json", "", tmp_path / "projects.json")
    assert list(tmp_path.iterdir()) == []


def test_the_checksums_are_those_of_the_real_files(shared_data: Path) -> None:
    for name, digest in sources._MADEWITHML_SHA256.items():
        assert hashlib.sha256((shared_data / name).read_bytes()).hexdigest() == digest
