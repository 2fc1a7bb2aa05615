"""A plain CSV for a spreadsheet: one row a record; people edit the column `tags`.

Tags stand between commas, or as a JSON list where a tag holds a comma or begins with a bracket, a quote or a blank. A
row counts as answered unless `status` says `open`; `skip` there is skipping. `annotator`, `at` and `comment` may be
filled in; the column `tagnet` stays as it is. Commas, semicolons and tabs are read as separators, for spreadsheets of
some countries write those.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagnet.atomic import write_text
from tagnet.errors import LabelingError, nearest
from tagnet.labeling.tasks import TaskBatch, read_slip, write_slip
from tagnet.labeling.tools.codec import SLIP, Replies, Reply
from tagnet.records.json_files import describe, read_text

_BEFORE, _BEHIND = ("status", "project_id"), ("tags", "annotator", "at", "comment", SLIP)
_STATUS = {"": "done", "done": "done", "skip": "skip", "skipped": "skip", "open": "open", "todo": "open"}
_FORMULA = ("=", "+", "-", "@")
"""What a cell begins with that spreadsheets run; see https://owasp.org/www-community/attacks/CSV_Injection."""
_ASKED = "asked"
"""A column of its own where annotators are asked something in particular; what comes back in it is not looked at."""
_LONGEST_CELL = 2**31 - 1


@dataclass(frozen=True)
class Spreadsheet:
    """The codec."""

    name: str = "csv"

    def write(self, batch: TaskBatch, output: Path) -> Sequence[Path]:
        """Write the table."""
        features = [each for each in batch.tasks[0].slip.features if each not in _BEFORE + _BEHIND]
        asks = any(task.slip.asked for task in batch.tasks) and _ASKED not in features
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\r\n")
        writer.writerow([*_BEFORE, *([_ASKED] if asks else []), *features, *_BEHIND])
        for task in batch.tasks:
            texts = [_as_text(task.fields[name]) for name in features]
            asked = [_as_text(task.slip.asked)] if asks else []
            writer.writerow(
                ["", task.slip.project_id, *asked, *texts, tags_to_cell(task.shown), "", "", "", write_slip(task.slip)]
            )
        # With a byte order mark, without which Excel does not take a CSV for UTF-8.
        write_text(output, "\ufeff" + stream.getvalue())
        return [output]

    def read(self, path: Path) -> Replies:
        """Read the table."""
        replies: list[Reply] = []
        waiting: list[object] = []
        for number, row in enumerate(_rows(path), 2):
            place = f"{path}, row {number}"
            word = row.get("status", "").strip().lower()
            if word not in _STATUS:
                raise LabelingError(
                    f"{place}: status: expected nothing, done, skip or open; found {describe(row['status'])}"
                )
            if _STATUS[word] == "open":
                waiting.append(row[SLIP])
                continue
            replies.append(
                Reply(
                    place=place,
                    slip=row[SLIP],
                    chosen=None if _STATUS[word] == "skip" else cell_to_tags(row["tags"], place),
                    text=_text(row),
                    annotator=row.get("annotator") or None,
                    at=row.get("at") or None,
                    comment=row.get("comment") or None,
                    found=row,
                )
            )
        return Replies(tuple(replies), None, tuple(waiting))


def _as_text(text: str) -> str:
    """A text that no spreadsheet takes for a formula: anybody may have written it."""
    text = text.strip()
    return f"'{text}" if text.lstrip("'")[:1] in _FORMULA else text


def _as_written(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell.lstrip("'")[:1] in _FORMULA else cell


def tags_to_cell(tags: Sequence[str]) -> str:
    """Tags as one cell.

    >>> tags_to_cell(["a", "b c"]), tags_to_cell(["a, b"]), tags_to_cell([])
    ('a, b c', '["a, b"]', '')
    """
    plain = all(tag == tag.strip() and tag and tag[0] not in "[\"'=+@-" and "," not in tag for tag in tags)
    single = all(len(tag.splitlines()) == 1 for tag in tags) if plain else False
    return ", ".join(tags) if single else json.dumps(list(tags), ensure_ascii=False)


def cell_to_tags(cell: str, place: str) -> tuple[str, ...]:
    """The tags in a cell, each once; blanks around them are not part of them.

    Raises:
        LabelingError: it begins like a JSON list, and is none.

    >>> cell_to_tags("a,b c ,, a", "row 2"), cell_to_tags('["a, b"]', "row 2"), cell_to_tags(" ", "row 2")
    (('a', 'b c'), ('a, b',), ())
    """
    if not cell.lstrip().startswith("["):
        return tuple(dict.fromkeys(tag.strip() for tag in cell.split(",") if tag.strip()))
    try:
        tags = json.loads(cell)
    except (ValueError, RecursionError):
        tags = None
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise LabelingError(
            f'{place}: tags: expected tags between commas, or a JSON list such as ["a", "b"]; found {describe(cell)}'
        )
    return tuple(dict.fromkeys(tags))


def _text(row: Mapping[str, str]) -> str | None:
    """The text of a row, of the fields that its slip names; None where a column is gone."""
    try:
        slip = read_slip(row[SLIP])
    except LabelingError:
        return None
    features = slip.features
    texts = [_as_written(row[name]) for name in features if name in row and name not in _BEFORE + _BEHIND]
    return "\n\n".join([slip.asked, *texts]) if len(texts) == len(features) else None


def _rows(path: Path) -> list[dict[str, str]]:
    text = read_text(path, LabelingError)
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[dict[str, str]] = []
    try:
        names = next(reader, [])
        for needed in ("tags", SLIP):
            if needed not in names:
                raise LabelingError(
                    f"{path}: expected the column {needed!r} of a CSV that tagnet wrote, "
                    f"found {describe(names)}{nearest(needed, names)}"
                )
        for cells in reader:
            if not any(cells):
                continue
            if len(cells) != len(names):
                raise LabelingError(
                    f"{path}, row {len(rows) + 2}: expected {len(names)} cells, as in the first line, "
                    f"found {len(cells)}\nThe file may be half-written: save it again."
                )
            rows.append(dict(zip(names, cells, strict=True)))
    except csv.Error as fault:
        raise LabelingError(
            f"{path}, row {len(rows) + 2}: expected cells of CSV, found something else ({fault})\n"
            "The file may be half-written: save it again."
        ) from fault
    return rows
