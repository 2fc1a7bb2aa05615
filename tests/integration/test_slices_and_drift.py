"""`tagnet slices` and `tagnet drift` from the command line, on a finished run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagnet.training.fit import Run

Tagnet = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(small_run: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_run.dir, tmp_path / "run"))


def test_slices_of_a_run(run: Path, tagnet: Tagnet, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("slices: [{name: short ones, shorter_than: 30}]")
    code, out, err = tagnet("slices", str(run), "--define", str(tmp_path / "mine.yaml"), "--min-size", "5")
    assert code == 0, err
    assert max(map(len, out.splitlines())) <= 80
    assert "short ones" in out
    found = json.loads((run / "slices.json").read_text())
    split = json.loads((run / "split.json").read_text())
    assert found["records"] == len(split["test"])
    assert all(set(row["ids"]) <= set(split["test"]) and row["size"] == len(row["ids"]) for row in found["slices"])
    page = (run / "slices.html").read_text()
    assert "short ones" in page
    assert "<svg" in page


def test_a_bundle_is_judged_by_records(run: Path, tagnet: Tagnet, small_records: Path, tmp_path: Path) -> None:
    words = ("slices", str(run / "bundle"), "--finder", "single", "--output", str(tmp_path / "out"))
    code, out, err = tagnet(*words, "--records", str(small_records))
    assert code == 0, err
    assert json.loads((tmp_path / "out" / "slices.json").read_text())["records"] > 200
    assert "is given" in out
    code, _, err = tagnet(*words)
    assert code == 2
    assert "--records: expected labelled records to judge the bundle" in err


def test_two_runs_slice_by_slice(run: Path, tagnet: Tagnet, tmp_path: Path) -> None:
    other = Path(shutil.copytree(run, tmp_path / "other"))
    code, out, err = tagnet("slices", str(run), str(other), "--min-size", "5")
    assert code == 0, err
    assert "all records" in out
    rows = json.loads((other / "slices-compared.json").read_text())["slices"]
    assert all(row["log_loss"] == 0 and row["p"] == 1 for row in rows)


def test_the_worst_slices_become_a_query(run: Path, tagnet: Tagnet, small_records: Path, tmp_path: Path) -> None:
    """Labels of two thirds of the test records are turned round, and a column says which."""
    table = pq.read_table(run / "predictions.parquet")
    field = table.schema.field("labels")
    labels = [[1 - y for y in row] if n % 3 else row for n, row in enumerate(table["labels"].to_pylist())]
    spoiled = {identity for n, identity in enumerate(table["id"].to_pylist()) if n % 3}
    table = table.set_column(table.column_names.index("labels"), field, pa.array(labels, type=field.type))
    pq.write_table(table, run / "predictions.parquet")
    rows = json.loads(small_records.read_text(encoding="utf-8"))
    records, tasks = tmp_path / "records.json", tmp_path / "tasks.json"
    records.write_text(json.dumps([{**row, "source": "bad" if str(row["id"]) in spoiled else "good"} for row in rows]))
    words = ["--query", str(small_records), "--number", "7", "--tasks", str(tasks)]
    code, _, err = tagnet("slices", str(run), "--records", str(records), "--min-size", "5", *words)
    assert code == 0, err
    found = json.loads((run / "slices.json").read_text())
    assert "source = bad" in [row["name"] for row in found["slices"] if row["bad"]]
    assert len(json.loads(tasks.read_text())) == 7


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--side", "tests"), "--side: expected test or val, found 'tests'; did you mean test?"),
        (("--finder", "latice"), "--finder: expected single, lattice, tree, sliceline; found 'latice'"),
        (("--query", "x.json"), "--query and --tasks go together"),
        (("--define", "none.yaml"), "none.yaml: no such file"),
        (("--records", "few.json"), "are not in"),
    ],
)
def test_bad_input_is_one_clear_error(
    words: tuple[str, ...], message: str, run: Path, tagnet: Tagnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "few.json").write_text('[{"id": 1, "title": "x", "description": "y", "tags": ["a"]}]')
    code, _, err = tagnet("slices", str(run), *words)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert not (run / "slices.json").exists()


def test_drift_of_a_run(run: Path, tagnet: Tagnet, small_records: Path, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = json.loads(small_records.read_text(encoding="utf-8"))
    (tmp_path / "same.json").write_text(json.dumps(rows[::2]))
    (tmp_path / "other.json").write_text(
        json.dumps(
            [{**row, "title": "Rezept", "description": f"Man nehme {n} Eier und Mehl"} for n, row in enumerate(rows)]
        )
    )
    code, out, err = tagnet("drift", str(run), "--records", str(tmp_path / "same.json"), "--gate")
    assert code == 0, err
    assert "No drift is seen" in out or "Lengths differ alone" in out
    words = ("drift", str(run), "--records", str(tmp_path / "other.json"), "--output", str(tmp_path / "drift.json"))
    assert tagnet(*words)[0] == 0
    code, out, _ = tagnet(*words, "--gate")
    assert code == 1
    assert "It is time to label again" in out
    assert max(map(len, out.splitlines()[:9])) <= 80
    found = json.loads((tmp_path / "drift.json").read_text())
    assert found["label_again"] is True
    assert "vocabulary" in {test["view"] for test in found["tests"]}


def test_a_bundle_needs_a_reference(run: Path, tagnet: Tagnet, small_records: Path) -> None:
    code, _, err = tagnet("drift", str(run / "bundle"), "--records", str(small_records))
    assert code == 2
    assert "--reference: expected records to hold new ones against" in err
    words = ("drift", str(run / "bundle"), "--records", str(small_records), "--reference", str(small_records))
    code, out, err = tagnet(*words)
    assert code == 0, err
    assert "No drift is seen" in out
