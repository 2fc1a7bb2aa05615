"""Sources by name: the embedded corpus, MadeWithML and GoEmotions, their published splits; or any path."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from tagnet.errors import DataError, nearest
from tagnet.records.fetch import public_file
from tagnet.records.goemotions import GOEMOTIONS, goemotions_records, goemotions_split
from tagnet.records.json_files import check_is_file

EMBEDDED = "embedded"
MADEWITHML = "madewithml"

_MADEWITHML_ADDRESS = "https://raw.githubusercontent.com/GokuMohandas/MadeWithML/48d009b/datasets/"
_MADEWITHML_SHA256 = {
    "projects.json": "6e2db7baf8b830fcb5340df589b65b96cda9a8ea2a56a765c89ba6f7dba15b4a",
    "tags.json": "609171cd43a6466b7a2aa82bd25fc5a55755d5ba6e52e0981f81f7c73ee4e9aa",
}
_HUB_NAME = re.compile(r"[\w-]+/[\w-]+")


def resolve_records(name: str) -> Path:
    """The file of `embedded`, `madewithml` or `goemotions` records; anything else is a path.

    Raises:
        DataError: nothing is there, and it cannot be fetched.
    """
    if name == GOEMOTIONS:
        return goemotions_records()
    return _resolve(name, "projects.json", (EMBEDDED, MADEWITHML, GOEMOTIONS))


def resolve_taxonomy(name: str) -> Path:
    """The file of the `embedded` or `madewithml` taxonomy; anything else is a path.

    Raises:
        DataError: nothing is there, and it cannot be fetched.
    """
    return _resolve(name, "tags.json", (EMBEDDED, MADEWITHML))


def resolve_split_file(name: str) -> Path:
    """The file of the published splits: `madewithml` (A, B, C), which comes with tagnet, or `goemotions`; else a path.

    Raises:
        DataError: nothing is there.
    """
    if name == MADEWITHML:
        return _embedded("madewithml_splits.json")
    if name == GOEMOTIONS:
        return goemotions_split()
    return _existing(name, (MADEWITHML, GOEMOTIONS))


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
    return public_file(file, _MADEWITHML_ADDRESS + file, _MADEWITHML_SHA256[file], MADEWITHML)
