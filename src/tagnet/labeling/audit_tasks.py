"""Suspect cells as tasks: one a record, the annotator asked about each of its suspect tags; and as a list to read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tagnet.errors import ConfigError
from tagnet.labeling.tasks import ShownTag, TaskBatch, make_batch, shown_text
from tagnet.records.record import Record, RecordId

SUFFIXES = (".csv", ".json")
_MODEL = "audit"
_FORMULA = ("=", "+", "-", "@")
"""What a cell begins with that spreadsheets run; see https://owasp.org/www-community/attacks/CSV_Injection."""


@dataclass(frozen=True)
class SuspectCell:
    """A record and a tag."""

    rank: int
    """From 1."""
    id: RecordId
    tag: str
    suspect: str
    """`missing` or `spurious`."""
    probability: float
    """That the record bears the tag, by models that did not see it."""
    suspicion: float
    """By the ranker's measure."""
    tags: tuple[str, ...]
    """What the record bears, as written."""
    text: str


def question(cells: Sequence[SuspectCell]) -> str:
    """What is asked about one record.

    >>> cell = SuspectCell(1, 7, "nlp", "missing", 0.94, 0.94, (), "Words")
    >>> question([cell, SuspectCell(2, 7, "graphs", "spurious", 0.006, 0.994, ("graphs",), "Words")])
    'Please check: is "nlp" missing (0.94)? is "graphs" wrong (0.01)?'
    """
    asks = [
        f'is "{cell.tag}" {"missing" if cell.suspect == "missing" else "wrong"} ({cell.probability:.2f})?'
        for cell in cells
    ]
    return f"Please check: {' '.join(asks)}"


def suspect_batch(
    cells: Sequence[SuspectCell],
    records: Iterable[Record],
    features: Sequence[str],
    *,
    declared: Iterable[str] = (),
    parents: Mapping[str, str] | None = None,
) -> TaskBatch:
    """One task for each record with a suspect cell, the most suspect first.

    The author's tags are ticked, and so are those that are probably missing; the question says which are in doubt.

    Args:
        cells: in the order of their rank.
        records: the audited records, and perhaps others.
        features: the fields to show.
        declared: tags that can be chosen, shown or not.
        parents: tag → the first of its parents.
    """
    of_record: dict[str, list[SuspectCell]] = {}
    for cell in cells:
        of_record.setdefault(str(cell.id), []).append(cell)
    record_of = {str(record.id): record for record in records}
    chosen = [record_of[name] for name in of_record]
    suggested = [
        [
            ShownTag(cell.tag, "model", _MODEL, round(cell.probability, 4))
            for cell in mine
            if cell.suspect == "missing" or cell.tag in record.tags
        ]
        for record, mine in zip(chosen, of_record.values(), strict=True)
    ]
    asked = [question(mine) for mine in of_record.values()]
    return make_batch(chosen, features, suggested=suggested, declared=declared, parents=parents, asked=asked)


def check_suffix(path: Path) -> None:
    """Refuse a name for a list of cells that says no format.

    Raises:
        ConfigError: it ends in neither .csv nor .json.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"--cells {path}: expected a name that ends in {' or '.join(SUFFIXES)}")


def render_cells(cells: Sequence[SuspectCell], suffix: str) -> str:
    """The list as the text of a file: JSON, or CSV, in which no cell is a formula.

    >>> print(render_cells([SuspectCell(1, 7, "nlp", "missing", 0.94, 0.94, ("a", "b"), "=Words")], ".csv"), end="")
    rank,id,tag,suspect,probability,suspicion,tags,text
    1,7,nlp,missing,0.94,0.94,"[""a"", ""b""]",'=Words
    """
    if suffix.lower() == ".json":
        return json.dumps([asdict(cell) for cell in cells], indent=2, ensure_ascii=False) + "\n"
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*SuspectCell.__dataclass_fields__])
    for cell in cells:
        tags = json.dumps(list(cell.tags), ensure_ascii=False)
        places = (cell.rank, _as_text(str(cell.id)), _as_text(cell.tag), cell.suspect)
        writer.writerow([*places, cell.probability, cell.suspicion, tags, _as_text(cell.text)])
    return stream.getvalue()


def text_of(record: Record) -> str:
    """A record's fields as annotators see them."""
    return shown_text(record.fields)


def _as_text(text: str) -> str:
    return f"'{text}" if text[:1] in _FORMULA else text
