"""Folders whose description knows the SHA-256 of every file beside it, and of itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from tagnet.atomic import write_json
from tagnet.errors import BundleError


def write_sealed(path: Path, description: Mapping[str, Any], files: Set[str]) -> str:
    """Write a description with the SHA-256 of these files beside it, and its own; give back its own."""
    sealed = {**description, "files": {name: file_sha256(path.parent / name) for name in sorted(files)}}
    fingerprint = json_sha256(sealed)
    write_json(path, {**sealed, "fingerprint": fingerprint})
    return fingerprint


def read_sealed(path: Path, what: str, format_version: int) -> dict[str, Any]:
    """Read a description back and hold it against its own fingerprint.

    Args:
        path: the description.
        what: what it describes, for messages, such as "a bundle".
        format_version: the only one that can be read.

    Raises:
        BundleError: it cannot be read, is of another format version, or was changed.
    """
    found = read_json_file(path)
    if not isinstance(found, dict) or not isinstance(found.get("format_version"), int):
        raise BundleError(f"{path}: expected {what}'s description, found JSON without a format version")
    version = found["format_version"]
    if version != format_version:
        raise BundleError(
            f"{path}: expected format version {format_version}, found {version}; use the tagnet that wrote it."
        )
    if found.get("fingerprint") != json_sha256({key: value for key, value in found.items() if key != "fingerprint"}):
        raise BundleError(f"{path}: its content is not what its own fingerprint says; copy the whole folder again.")
    return found


def check_files(
    path: Path, files: Mapping[str, str], *, always: Set[str], sometimes: Set[str] = frozenset(), what: str
) -> None:
    """Hold every file that a description names against its recorded SHA-256.

    Args:
        path: the description.
        files: name → SHA-256, as it stands there.
        always: the files that must be among them.
        sometimes: those that may be.
        what: what they make together, for messages, such as "the bundle".

    Raises:
        BundleError: a file is missing or was changed, or the description does not name the files that it should.
    """
    if files.keys() - always - sometimes or always - files.keys():
        raise BundleError(
            f"{path}: expected fingerprints of {', '.join(sorted(always))}, found {', '.join(files) or 'none'}"
        )
    for name, expected in files.items():
        file = path.with_name(name)
        if not file.is_file():
            raise BundleError(f"{file}: this file of {what} is missing; copy the whole folder again.")
        if file_sha256(file) != expected:
            raise BundleError(f"{file}: its SHA-256 is not the one in {path.name}; copy the whole folder again.")


def read_json_file(path: Path) -> Any:
    """The value in a JSON file.

    Raises:
        BundleError: it cannot be read, or holds something else.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: expected JSON, found something else ({error})") from error


def json_sha256(value: object) -> str:
    """SHA-256 of a plain value, in hex, however its JSON is laid out."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex.

    Raises:
        BundleError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror or error})") from error
