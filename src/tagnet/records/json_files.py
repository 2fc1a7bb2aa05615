"""Reading JSON from disk, with errors that say where in the file the fault is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tagnet.errors import DataError, nearest


def check_is_file(path: Path, error: type[DataError]) -> None:
    """Refuse a path that is no file, with a hint at the file beside it whose name is nearest.

    Raises:
        DataError: of the class `error`.
    """
    if path.is_dir():
        raise error(f"{path}: expected a file, found a folder")
    if not path.is_file():
        beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        place = "" if path.parent.is_dir() else f"; its folder {path.parent} does not exist either"
        raise error(f"{path}: no such file{place}{nearest(path.name, beside)}")


def read_text(path: Path, error: type[DataError]) -> str:
    """The text of a UTF-8 file, without a byte order mark.

    Raises:
        DataError: of the class `error`; the file is missing, cannot be read, or is not UTF-8.
    """
    check_is_file(path, error)
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as fault:
        raise error(
            f"{path}: expected UTF-8, found byte {fault.object[fault.start]:#04x} at byte {fault.start}"
        ) from fault
    except OSError as fault:
        raise error(f"{path}: cannot be read ({fault.strerror or fault})") from fault


def describe_fault(fault: ValueError | RecursionError, line: int = 1) -> str:
    r"""What is wrong in a JSON text, and where; `line` is the number of the text's first line in its file.

    >>> try:
    ...     json.loads('{"id": 1,\n "tags": [}')
    ... except ValueError as fault:
    ...     print(describe_fault(fault))
    broken JSON at line 2, column 11 (Expecting value)
    """
    if isinstance(fault, json.JSONDecodeError):
        return f"broken JSON at line {fault.lineno + line - 1}, column {fault.colno} ({fault.msg})"
    if isinstance(fault, RecursionError):
        return "JSON that is nested too deeply"
    return f"JSON that cannot be read ({fault})"


def read_json(path: Path, expected: str, error: type[DataError]) -> Any:
    """The value that a JSON file holds.

    Args:
        path: the file.
        expected: what should be in it, for the message.
        error: the class of the error.

    Raises:
        DataError: of the class `error`; the file is missing, cannot be read, or its JSON is broken.
    """
    text = read_text(path, error)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise error(f"{path}: expected {expected}, found {describe_fault(fault)}") from fault


def describe(value: object, width: int = 60) -> str:
    """A value as it would stand in JSON, cut to `width` characters, for error messages.

    >>> describe(None), describe(True), describe(["a"]), describe("x" * 99, width=8)
    ('null', 'true', '["a"]', '"xxxx...')
    """
    try:
        text = json.dumps(value, ensure_ascii=True)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= width else text[: width - 3] + "..."
