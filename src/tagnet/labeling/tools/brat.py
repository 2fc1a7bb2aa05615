"""brat: a folder with a `.txt` and an `.ann` for each record, and one mark a tag on the text's first word.

Shapes are those of https://brat.nlplab.org/standoff.html and https://brat.nlplab.org/configuration.html. brat has no
labels of documents, hence the marks; any mark counts, wherever it stands. Its types may hold letters, digits, `-` and
`_` alone, so that other characters of a tag are written as `_` and two hexadecimal digits for each byte of their UTF-8;
`visual.conf` shows the tag itself. The slips are in `tagnet.jsonl`, in the same folder. Every document of the folder
counts as answered: the mark `_skip` stands for skipping, and a note on any mark is the comment. A document whose `.ann`
is gone waits.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagnet.atomic import cannot_write
from tagnet.errors import LabelingError
from tagnet.labeling.tasks import TaskBatch, write_slip
from tagnet.labeling.tools.codec import SKIP, SLIP, Replies, Reply, parse_rows
from tagnet.records.json_files import read_text

_SLIPS = "tagnet.jsonl"
_SKIP_TYPE = "_skip"
"""No tag is spelt like this: what follows `_` in a tag's type are hexadecimal digits."""
_LINE = re.compile(r"T\d+\t([A-Za-z0-9_-]+) \d+ \d+(?:;\d+ \d+)*\t.*")
_NOTE = re.compile(r"#\d+\tAnnotatorNotes [A-Z]\d+\t(.*)")


@dataclass(frozen=True)
class Brat:
    """The codec."""

    name: str = "brat"

    def write(self, batch: TaskBatch, output: Path) -> Sequence[Path]:
        """Write the folder `output`, whole or not at all.

        Raises:
            LabelingError: there is a file or another folder of that name.
        """
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise LabelingError(f"--output {output}: expected the name of a new folder, for brat reads folders")
        scratch = output.with_name(f".{output.name}.{secrets.token_hex(4)}.part")
        try:
            scratch.mkdir(parents=True)
            for name, text in folder_of(batch).items():
                (scratch / name).write_text(text, encoding="utf-8", newline="\n")
            if output.is_dir():
                output.rmdir()
            scratch.replace(output)
        except OSError as fault:
            raise cannot_write(output, fault) from fault
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return [output]

    def read(self, path: Path) -> Replies:
        """Read a folder, or a zip of it."""
        files = _read_files(path)
        slips = list(parse_rows(files[_SLIPS], path / _SLIPS, self.name, "the slip of a document"))
        replies: list[Reply] = []
        waiting: list[object] = []
        for place, row in slips:
            name = row.get("document")
            if not isinstance(name, str) or SLIP not in row:
                raise LabelingError(f"{place}: expected the slip of a document, found the keys {', '.join(row)}")
            if f"{name}.ann" not in files:
                waiting.append(row[SLIP])
                continue
            chosen, comment = parse_ann(files[f"{name}.ann"], f"{path / name}.ann")
            found = {"ann": files[f"{name}.ann"], SLIP: row[SLIP]}
            text = files.get(f"{name}.txt")
            replies.append(
                Reply(f"{path / name}.ann", row[SLIP], chosen, text=text, comment=comment, found=found),
            )
        strangers = {Path(name).stem for name in files if name.endswith(".ann")}
        strangers -= {str(row.get("document")) for _, row in slips}
        for name in sorted(strangers):
            place = f"{path / name}.ann"
            replies.append(Reply(place, None, (), found={"ann": files[f"{name}.ann"]}))
        return Replies(tuple(replies), None, tuple(waiting))


def folder_of(batch: TaskBatch) -> dict[str, str]:
    """Name → text of every file of a collection."""
    width = len(str(len(batch.tasks)))
    types = {tag: type_of(tag) for tag in batch.tags}
    files = {
        "annotation.conf": "[entities]\n"
        + "".join(f"{each}\n" for each in (_SKIP_TYPE, *types.values()))
        + "\n[relations]\n\n[events]\n\n[attributes]\n",
        "visual.conf": "[labels]\n"
        + "".join(f"{each} | {_plain(tag)}\n" for tag, each in types.items())
        + f"{_SKIP_TYPE} | {SKIP}\n\n[drawing]\nSPAN_DEFAULT\tfgColor:black, bgColor:lightgreen, borderColor:darken\n",
        "tools.conf": "[options]\nTokens\ttokenizer:whitespace\nSentences\tsplitter:newline\n",
    }
    slips = []
    for number, task in enumerate(batch.tasks, 1):
        name = f"{number:0{width}}"
        files[f"{name}.txt"] = task.text + "\n"
        files[f"{name}.ann"] = marks(task.text, task.shown)
        slips.append(json.dumps({"document": name, SLIP: write_slip(task.slip)}) + "\n")
    return {**files, _SLIPS: "".join(slips)}


def marks(text: str, tags: Sequence[str]) -> str:
    r"""The lines of an `.ann`: every tag on the first word.

    >>> marks("Sets in Python", ["c++", "code"])
    'T1\tc_2b_2b 0 4\tSets\nT2\tcode 0 4\tSets\n'
    """
    word = text.split(maxsplit=1)[0] if text.strip() else ""
    start = text.index(word)
    span = f"{start} {start + len(word)}\t{word}"
    return "".join(f"T{number}\t{type_of(tag)} {span}\n" for number, tag in enumerate(tags, 1))


def type_of(tag: str) -> str:
    """A tag as a type of brat; `tag_of` gives it back.

    >>> type_of("c++ 17"), tag_of(type_of("c++ 17")), tag_of(type_of("naïve_bayes"))
    ('c_2b_2b_2017', 'c++ 17', 'naïve_bayes')
    """
    letters = [
        letter if re.fullmatch(r"[A-Za-z0-9-]", letter) else "".join(f"_{byte:02x}" for byte in letter.encode())
        for letter in tag
    ]
    return "".join(letters)


def tag_of(type_: str) -> str:
    """The tag that a type stands for; a type that is none of ours is taken as it is."""
    try:
        found = re.sub(rb"_([0-9a-f]{2})", lambda match: bytes.fromhex(match[1].decode()), type_.encode()).decode()
    except UnicodeDecodeError:
        return type_
    return found if type_of(found) == type_ else type_


def parse_ann(text: str, place: str) -> tuple[tuple[str, ...] | None, str | None]:
    """The tags of an `.ann`, None for skipping, and its notes.

    Raises:
        LabelingError: a line is none of brat's.
    """
    types: dict[str, None] = {}
    notes = []
    for number, line in enumerate(text.split("\n"), 1):
        mark, note = _LINE.fullmatch(line.rstrip("\r")), _NOTE.fullmatch(line.rstrip("\r"))
        if mark:
            types[mark[1]] = None
        elif note:
            notes.append(note[1])
        elif line.startswith("T") or (line.strip() and not re.match(r"[A-Z#*]\d*\t", line)):
            raise LabelingError(
                f"{place}, line {number}: expected a mark such as 'T1<tab>type 0 4<tab>word', found {line[:60]!r}\n"
                "The file may be half-written: copy it again."
            )
    tags = None if _SKIP_TYPE in types else tuple(tag_of(each) for each in types)
    return tags, "\n".join(notes) or None


def _plain(tag: str) -> str:
    """A tag as visual.conf can hold it: one line, without the signs that mean something there."""
    return " ".join(tag.replace("|", "/").split()) or "(blank)"


def _read_files(path: Path) -> Mapping[str, str]:
    if path.is_dir():
        names = [each for each in path.iterdir() if each.suffix in (".ann", ".txt") or each.name == _SLIPS]
        files: dict[str, Any] = {each.name: read_text(each, LabelingError) for each in sorted(names)}
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            files = {
                Path(name).name: archive.read(name).decode("utf-8-sig", "replace")
                for name in archive.namelist()
                if not name.endswith("/")
            }
    else:
        raise LabelingError(
            f"{path}: expected a folder of brat, or a zip of one; found {'a file' * path.exists() or 'nothing'}"
        )
    if _SLIPS not in files:
        raise LabelingError(
            f"{path}: expected {_SLIPS} in a folder that tagnet wrote, found none; is it another collection of brat's?"
        )
    return files
