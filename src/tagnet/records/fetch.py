"""Files from a public address: fetched once, checked, and kept in a cache."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.request
from pathlib import Path

from tagnet.atomic import write_with
from tagnet.errors import DataError, RunDirectoryError

_TIMEOUT_SECONDS = 30.0


def cache_folder(name: str) -> Path:
    """Where the files of a source are kept: in XDG_CACHE_HOME, or ~/.cache."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "tagnet" / name


def public_file(name: str, address: str, sha256: str, cache: str) -> Path:
    """A file of a public data set: in the folder that TAGNET_DATA names, or fetched once from its address.

    Args:
        name: its path in that folder.
        address: where it is public.
        sha256: of its content there.
        cache: the folder of the cache for it.

    Raises:
        DataError: it is not in that folder; or as `fetch`.
    """
    folder = os.environ.get("TAGNET_DATA")
    if not folder:
        return _fetched(address, sha256, cache_folder(cache) / Path(name).name)
    path = Path(folder).expanduser() / name
    if not path.is_file():
        raise DataError(f"{path}: no such file; TAGNET_DATA names the folder where {name} should be")
    return path


def _fetched(address: str, sha256: str, path: Path) -> Path:
    """A file in the cache; it is fetched where it is not there whole.

    Raises:
        DataError: as `fetch`.
    """
    if not (path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256):
        fetch(address, sha256, path)
    return path


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
