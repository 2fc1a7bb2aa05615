"""GoEmotions (Demszky et al., ACL 2020): comments with 27 emotions and neutral, on their published split.

The three files of the public data set, of lines `text TAB label numbers TAB id`, are turned once into records and a
split file. They come from TAGNET_DATA/goemotions, or from their public address.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tagnet.atomic import write_json, write_text
from tagnet.errors import DataError, RecordError, RunDirectoryError
from tagnet.records.fetch import cache_folder, public_file

GOEMOTIONS = "goemotions"
EMOTIONS = (
    "admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion", "curiosity", "desire",
    "disappointment", "disapproval", "disgust", "embarrassment", "excitement", "fear", "gratitude", "grief", "joy",
    "love", "nervousness", "optimism", "pride", "realization", "relief", "remorse", "sadness", "surprise", "neutral",
)  # fmt: skip
_ADDRESS = "https://raw.githubusercontent.com/google-research/google-research/master/goemotions/data/"
_SHA256 = {
    "train": "1c254a142be5c00e80d819b9ae1bbd36d94b2eeb8f4b1271846508d57e57d9c5",
    "dev": "575489c079c9de1097062a01738f998590d6b7ead66dd1c9fd1d2ba01fd8bc62",
    "test": "0587b2dd8b27b97352adbfc3fb083d46005c8946657fdc2b1ca8b1cc7f1f8be4",
}
_SIDES = {"train": "train", "val": "dev", "test": "test"}


def goemotions_records() -> Path:
    """The records, `{"id", "text", "tags"}`, as JSON Lines.

    Raises:
        DataError: the files are not there, cannot be fetched or read, or the cache cannot be written.
    """
    return _converted() / "records.jsonl"


def goemotions_split() -> Path:
    """The published split, as a split file.

    Raises:
        DataError: as `goemotions_records`.
    """
    return _converted() / "split.json"


def _converted() -> Path:
    """The folder of both; its name follows from the files that they were made of."""
    paths = {
        side: public_file(f"{GOEMOTIONS}/{name}.tsv", f"{_ADDRESS}{name}.tsv", _SHA256[name], GOEMOTIONS)
        for side, name in _SIDES.items()
    }
    try:
        contents = {side: path.read_bytes() for side, path in paths.items()}
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error
    digest = hashlib.sha256(b"\0".join(contents.values())).hexdigest()
    folder = cache_folder(GOEMOTIONS) / digest[:12]
    if (folder / "split.json").is_file():
        return folder
    rows = {side: _rows(paths[side], content) for side, content in contents.items()}
    lines = [json.dumps(row, ensure_ascii=False) for side in rows.values() for row in side]
    try:
        write_text(folder / "records.jsonl", "".join(f"{line}\n" for line in lines))
        write_json(folder / "split.json", {side: [row["id"] for row in found] for side, found in rows.items()})
    except RunDirectoryError as fault:
        raise DataError(
            f"{folder}: the cache cannot be written ({fault.__cause__}); set XDG_CACHE_HOME to another folder"
        ) from fault
    return folder


def _rows(path: Path, content: bytes) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        fields = line.split("\t")
        labels = fields[1].split(",") if len(fields) == 3 else []
        if not labels or not all(label.isdigit() and int(label) < len(EMOTIONS) for label in labels):
            raise RecordError(
                f"{path}, line {number}: expected text, label numbers from 0 to {len(EMOTIONS) - 1} and id between "
                f"tabs, found {line[:80]!r}"
            )
        rows.append({"id": fields[2], "text": fields[0], "tags": [EMOTIONS[int(label)] for label in labels]})
    return rows
