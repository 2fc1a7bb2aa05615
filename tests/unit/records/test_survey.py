"""A first look says what loading would say, without holding the records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tagnet.errors import RecordError
from tagnet.records import survey
from tagnet.records.io import AS_FLAGS, load_records
from tagnet.records.parse import RowSchema
from tagnet.records.survey import iter_records, survey_records

SCHEMA = RowSchema({"title": "name"}, ("title", "description"), need_tags=False)


def row(identity: object, **changes: Any) -> dict[str, Any]:
    return {"id": identity, "name": "t", "description": "d"} | changes


def write(tmp_path: Path, rows: list[Any], suffix: str = "jsonl") -> str:
    path = tmp_path / f"in.{suffix}"
    if suffix == "jsonl":
        path.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in rows))
    elif suffix == "json":
        path.write_text(json.dumps(rows))
    elif suffix == "csv":
        path.write_text("id,name,description\n" + "".join(f"{r['id']},{r['name']},{r['description']}\n" for r in rows))
    else:
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return str(path)


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "parquet"])
def test_all_formats(tmp_path: Path, suffix: str) -> None:
    source = write(tmp_path, [row(n) for n in range(30)], suffix)
    loaded = load_records(source, SCHEMA.columns, "error", SCHEMA.features, need_tags=False, hints=AS_FLAGS)
    found = survey_records(source, SCHEMA)
    assert (found.num_records, found.fingerprint) == (30, loaded.fingerprint)
    assert tuple(iter_records(source, SCHEMA)) == loaded.records


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row(1), row(2), row("1"), row(2)],
        [row(1), "{", row(1)],
        [row(1), row(1), "{"],
        [row(1), row(2, name={})],
        [{"id": 1, "title": "t", "description": "d"}],
        [{"id": 1, "name": "", "description": None}],
        [row(True)],
        [3],
    ],
)
def test_faults_are_told_in_the_words_of_loading(tmp_path: Path, rows: list[Any]) -> None:
    source = write(tmp_path, rows)
    with pytest.raises(RecordError) as loading:
        load_records(source, SCHEMA.columns, "error", SCHEMA.features, need_tags=False, hints=AS_FLAGS)
    with pytest.raises(RecordError) as looking:
        survey_records(source, SCHEMA)
    assert str(looking.value) == str(loading.value)


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_equal_ids_are_found_however_few_hashes_are_sorted_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(survey, "_HASHES_AT_ONCE", at_once)
    rows = [row(n) for n in range(20)]
    assert survey_records(write(tmp_path, rows), SCHEMA).num_records == 20
    with pytest.raises(RecordError, match="row 21: id: expected an id of its own, found 7, the id of row 8 too"):
        survey_records(write(tmp_path, [*rows, row(7)]), SCHEMA)


def test_ids_whose_hashes_happen_to_be_equal_are_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "_hash_id", lambda identity: b"the same")
    assert survey_records(write(tmp_path, [row(n) for n in range(5)]), SCHEMA).num_records == 5


def test_a_file_that_changes_meanwhile(tmp_path: Path) -> None:
    source = write(tmp_path, [row(1), "{"])
    with pytest.raises(RecordError, match="changed while it was read"):
        list(iter_records(source, SCHEMA))
