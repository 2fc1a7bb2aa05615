"""Sources by name: the embedded corpus, MadeWithML by its public address, the published splits; or any path."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import urllib.request
from importlib.resources import files
from pathlib import Path

from tagnet.atomic import write_with
from tagnet.errors import DataError, RunDirectoryError, nearest
from tagnet.records.json_files import check_is_file

EMBEDDED = "embedded"
MADEWITHML = "madewithml"

_MADEWITHML_ADDRESS = "https://raw.githubusercontent.com/GokuMohandas/MadeWithML/48d009b/datasets/"
_MADEWITHML_SHA256 = {
    "projects.json": "6e2db7baf8b830fcb5340df589b65b96cda9a8ea2a56a765c89ba6f7dba15b4a",
    "tags.json": "609171cd43a6466b7a2aa82bd25fc5a55755d5ba6e52e0981f81f7c73ee4e9aa",
}
_TIMEOUT_SECONDS = 30.0
_HUB_NAME = re.compile(r"[\w-]+/[\w-]+")


def resolve_records(name: str) -> Path:
    """The file of `embedded` or `madewithml` records; anything else is a path.

    Raises:
        DataError: nothing is there, and it cannot be fetched.
    """
    return _resolve(name, "projects.json", (EMBEDDED, MADEWITHML))


def resolve_taxonomy(name: str) -> Path:
    """The file of the `embedded` or `madewithml` taxonomy; anything else is a path.

    Raises:
        DataError: nothing is there, and it cannot be fetched.
    """
    return _resolve(name, "tags.json", (EMBEDDED, MADEWITHML))


def resolve_split_file(name: str) -> Path:
    """The file of the published `madewithml` splits (A, B, C), which comes with tagnet; anything else is a path.

    Raises:
        DataError: nothing is there.
    """
    if name == MADEWITHML:
        return _embedded("madewithml_splits.json")
    return _existing(name, (MADEWITHML,))


def _resolve(name: str, file: str, names: tuple[str, ...]) -> Path:
    if name == EMBEDDED:
        return _embedded(file)
    if name == MADEWITHML:
        return _madewithml(file)
    return _existing(name, names)


def _existing(name: str, names: tuple[str, ...]) -> Path:
    try:
        path = Path(name).expanduser()
        if path.exists():
            return path
    except (OSError, RuntimeError) as fault:
        raise DataError(f"{name}: cannot be read ({getattr(fault, 'strerror', None) or fault})") from fault
    hint = nearest(name, names)
    if not hint and _HUB_NAME.fullmatch(name) and not path.suffix and not path.parent.exists():
        hint = f"; for a data set of the Hugging Face hub write hub:{name}"
    if hint:
        raise DataError(f"{name}: no such file{hint}")
    check_is_file(path, DataError)
    return path


def _embedded(file: str) -> Path:
    path = Path(str(files("tagnet.corpus") / file))
    if not path.is_file():
        raise DataError(f"{path}: missing, though it comes with tagnet; install tagnet again")
    return path


def _madewithml(file: str) -> Path:
    folder = os.environ.get("TAGNET_DATA")
    if folder:
        path = Path(folder).expanduser() / file
        if not path.is_file():
            raise DataError(f"{path}: no such file; TAGNET_DATA names the folder where MadeWithML's {file} should be")
        return path
    path = _cache_folder() / file
    if not (path.is_file() and _is_intact(path.read_bytes(), file)):
        fetch(_MADEWITHML_ADDRESS + file, _MADEWITHML_SHA256[file], path)
    return path


def _cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "tagnet" / MADEWITHML


def _is_intact(content: bytes, file: str) -> bool:
    return hashlib.sha256(content).hexdigest() == _MADEWITHML_SHA256[file]


def fetch(address: str, sha256: str, path: Path) -> None:
    """Fetch a file, check it, and put it at `path`, whole or not at all.

    Raises:
        DataError: there is no way to the address, what is there has another SHA-256, or `path` cannot be written.
    """
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_SECONDS) as response:
            content: bytes = response.read()
    except (OSError, ValueError, http.client.HTTPException) as fault:
        raise DataError(
            f"{address}: cannot be fetched ({getattr(fault, 'reason', fault)})\n"
            f"Get {path.name} from there by other means, and set TAGNET_DATA to the folder you put it in."
        ) from fault
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DataError(
            f"{address}: expected SHA-256 {sha256[:12]}…, found {found[:12]}…: not the file that tagnet knows\n"
            f"To use a {path.name} of your own, set TAGNET_DATA to its folder."
        )
    try:
        write_with(path, lambda temporary: temporary.write_bytes(content))
    except RunDirectoryError as fault:
        raise DataError(
            f"{path}: the cache cannot be written ({fault.__cause__}); set XDG_CACHE_HOME to another folder, "
            "or TAGNET_DATA to one with the file"
        ) from fault
