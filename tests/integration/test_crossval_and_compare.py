"""Cross-validation and the comparison of runs, by command."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.slow

SETTINGS = (
    "encoder=tiny",
    "trainer=cpu",
    "trainer.max_epochs=2",
    "trainer.batch_size=32",
    "optim.head_lr=1e-2",
    "labels.min_count=20",
    "evaluation.bootstrap_samples=50",
    "evaluation.baselines=[prior,tfidf_logreg]",
    "logger=none",
)


def tagnet(*words: object, code: int = 0) -> tuple[str, str]:
    """What a command printed, and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "tagnet.cli.main", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "150"},
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def runs(small_records: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three runs on one split: both features, titles alone, and the first with a tag that it no longer finds."""
    home = tmp_path_factory.mktemp("runs")
    split: tuple[str, ...] = ()
    for name, more in (
        ("both", ("data.features=[title,description]",)),
        ("titles", ("data.features=[title]",)),
    ):
        records = f"data.records={small_records}"
        tagnet("train", *SETTINGS, records, *split, *more, f"run.dir={home / name}")
        split = (f"split.file={home / 'both' / 'split.json'}",)
    shutil.copytree(home / "both", home / "spoilt")
    path = home / "spoilt" / "predictions.parquet"
    table = pq.read_table(path)
    with (home / "both" / "per_tag.csv").open() as rows:
        scores = {row["tag"]: float(row["f1_low"]) for row in csv.DictReader(rows) if int(row["support"]) >= 5}
    best = max(scores, key=scores.__getitem__)
    assert scores[best] > 0
    column = json.loads(table.schema.metadata[b"tags"]).index(best)
    logits = [[-20.0 if k == column else logit for k, logit in enumerate(row)] for row in table["logits"].to_pylist()]
    field = table.schema.field("logits")
    spoilt = table.set_column(table.schema.names.index("logits"), field, pa.array(logits, field.type))
    pq.write_table(spoilt, path)
    (home / "lost").write_text(best)
    return {name: home / name for name in ("both", "titles", "spoilt", "lost")}


def test_runs_are_held_against_the_first(runs: dict[str, Path], tmp_path: Path) -> None:
    out, _ = tagnet("compare", runs["titles"], runs["both"], "--output", tmp_path / "place")
    assert "both minus titles" in out
    assert "What description brought" in out
    assert "data.features" in out
    found = json.loads((tmp_path / "place" / "compare.json").read_text())
    both, titles = (json.loads((runs[name] / "metrics.json").read_text())["test"] for name in ("both", "titles"))
    assert found["overall"]["f1_macro"]["value"] == pytest.approx(titles["f1_macro"]["value"])
    difference = found["runs"]["both"]["differences"]["f1_macro"]
    assert difference["value"] == pytest.approx(both["f1_macro"]["value"] - titles["f1_macro"]["value"])
    assert difference["low"] <= difference["value"] <= difference["high"]
    assert found["features"][0]["features"] == ["description"]
    page = (tmp_path / "place" / "compare.html").read_text()
    assert "both minus titles" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")


def test_the_gate_stops_what_has_lost_a_tag_and_lets_the_same_run_through(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    out, _ = tagnet("compare", "--gate", runs["both"], runs["spoilt"], "--output", tmp_path, code=1)
    (line,) = [line for line in out.splitlines() if line.startswith("gate")]
    assert f"spoilt: {runs['lost'].read_text()} dropped from F1" in line
    assert not json.loads((tmp_path / "compare.json").read_text())["passed"]
    out, _ = tagnet("compare", "--gate", runs["spoilt"], runs["both"], "--output", tmp_path)
    assert "no tag dropped" in out
    assert json.loads((tmp_path / "compare.json").read_text())["passed"]


@pytest.mark.parametrize(
    ("names", "options", "expected"),
    [
        (("both",), (), "expected a second run"),
        (("both",), ("--gate",), "--gate: expected two finished runs"),
        (("both", "both"), (), "expected different runs"),
        (("both", "none"), (), "expected the folder of a finished run"),
    ],
)
def test_what_cannot_be_compared(
    names: tuple[str, ...], options: tuple[str, ...], expected: str, runs: dict[str, Path], tmp_path: Path
) -> None:
    folders = [runs.get(name, tmp_path / name) for name in names]
    _, said = tagnet("compare", *options, *folders, code=2)
    assert expected in " ".join(said.split())


def test_a_cross_validation_tests_every_record_once_with_every_seed(small_records: Path, tmp_path: Path) -> None:
    folder = tmp_path / "crossval"
    words = ("--folds", 3, "--seeds", 2, *SETTINGS, f"data.records={small_records}", f"run.dir={folder}")
    out, _ = tagnet("crossval", *words)
    assert "3 folds, 2 seeds" in out
    table = pq.read_table(folder / "out_of_fold.parquet")
    ids = {seed: table.filter(np.asarray(table["seed"]) == seed)["id"].to_pylist() for seed in (0, 1)}
    assert len(ids[0]) == len(set(ids[0])) == len(ids[1])
    assert set(ids[0]) == set(ids[1])
    found = json.loads((folder / "crossval.json").read_text())
    assert found["records"] == len(ids[0])
    values = found["test"]["map"]["runs"]
    assert len(values) == 6
    assert found["test"]["map"]["value"] == pytest.approx(np.mean(values))
    gaps = np.subtract(values, found["baselines"]["prior"]["map"]["runs"])
    assert found["differences"]["prior"]["map"]["value"] == pytest.approx(gaps.mean())
    # The same command says the same again, and trains nothing.
    before = (folder / "crossval.json").read_bytes()
    _, said = tagnet("crossval", *words)
    assert "trial 5 is finished" in said
    assert (folder / "crossval.json").read_bytes() == before
    out, _ = tagnet("compare", folder)
    assert "3 folds, 2 seeds" in out


def test_within_a_split_file_its_test_records_are_left_alone(
    runs: dict[str, Path], small_records: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "crossval"
    records, split = f"data.records={small_records}", f"split.file={runs['both'] / 'split.json'}"
    tagnet("crossval", "--folds=2", *SETTINGS, records, split, f"run.dir={folder}")
    given = json.loads((runs["both"] / "split.json").read_text())
    tested = set(pq.read_table(folder / "out_of_fold.parquet")["id"].to_pylist())
    assert tested == {str(i) for side in ("train", "val") for i in given[side]}
    sides = json.loads((folder / "trials" / "0000" / "split.json").read_text())
    assert not {i for side in sides.values() for i in side} & set(given["test"])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--folds", "1"), "--folds: expected a whole number of at least 2, found '1'"),
        (("--seeds", "many"), "--seeds: expected a whole number"),
        (("--fold=3",), "tagnet crossval has no such option"),
        (("run.seed=3",), "tagnet crossval chooses it"),
        (("split=date",), "expected split=kfold"),
        (("sweeper=optuna",), "tagnet crossval chooses it"),
        (("optim.lrr=1",), "did you mean optim.lr?"),
    ],
)
def test_words_that_cannot_be_used(words: tuple[str, ...], expected: str) -> None:
    _, said = tagnet("crossval", *words, code=2)
    assert expected in " ".join(said.split())
