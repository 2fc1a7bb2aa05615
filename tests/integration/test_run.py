"""A run leaves behind what the contract names, whole, and the same from the same seed."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from tagnet.cli.compose import train_config
from tagnet.errors import RunDirectoryError
from tagnet.prediction.inference import compute_logits
from tagnet.prediction.tagger import Tagger
from tagnet.training.fit import Run, fit
from tagnet.training.summary import print_summary

HEADLINE = ("f1_micro", "f1_macro", "f1_weighted", "map", "ece")


def numbers(value: Any) -> Iterator[Any]:
    """Every leaf of nested JSON."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from numbers(inner)
    else:
        yield value


def test_metrics_json_keeps_the_contract(small_run: Run) -> None:
    metrics = json.loads((small_run.dir / "metrics.json").read_text())
    sides = [metrics["val"], metrics["test"]]
    sides += [metrics["baselines"][name][side] for name in ("prior", "tfidf_logreg") for side in ("val", "test")]
    for side in sides:
        for name in HEADLINE:
            assert set(side[name]) == {"value", "low", "high"}
            assert side[name]["low"] <= side[name]["value"] <= side[name]["high"]
    leaves = list(numbers(metrics))
    assert all(isinstance(leaf, int | float) and math.isfinite(leaf) for leaf in leaves)
    assert metrics["collapsed"] in (0, 1)
    assert str(small_run.dir) not in json.dumps(metrics)
    assert metrics["test"]["f1_micro"] == small_run.metrics["test"]["f1_micro"]


def test_the_directory_is_complete_and_nothing_is_half_written(small_run: Run) -> None:
    names = {path.name for path in small_run.dir.iterdir()}
    assert names == {
        "config.yaml",
        "environment.json",
        "data.json",
        "split.json",
        "metrics.jsonl",
        "tensorboard",
        "checkpoints",
        "predictions.parquet",
        "per_tag.csv",
        "bundle",
        "report.html",
        "run.log",
        "metrics.json",
    }
    assert not list(small_run.dir.rglob("*.part"))
    written = {path: path.stat().st_mtime_ns for path in small_run.dir.rglob("*") if path.is_file()}
    # Two files may be of the same tick of the clock.
    assert written[small_run.dir / "metrics.json"] == max(written.values())


def test_split_json_holds_every_record_once(small_run: Run, small_records: Path) -> None:
    split = json.loads((small_run.dir / "split.json").read_text())
    assert list(split) == ["train", "val", "test"]
    ids = [i for side in split.values() for i in side]
    assert len(ids) == len(set(ids))
    assert set(ids) <= {row["id"] for row in json.loads(small_records.read_text())}
    assert len(ids) == json.loads((small_run.dir / "data.json").read_text())["num_records"]


def test_per_tag_csv_has_a_row_a_tag(small_run: Run) -> None:
    with (small_run.dir / "per_tag.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["tag"] for row in rows] == list(small_run.tagger("cpu").tags)
    assert sum(int(row["support"]) for row in rows) > 0


def test_metrics_jsonl_has_every_step_and_every_validation(small_run: Run) -> None:
    lines = [json.loads(line) for line in (small_run.dir / "metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines if "train.loss" in line]
    assert steps == list(range(1, len(steps) + 1))
    assert len([line for line in lines if "val.map" in line]) == 2


def test_saved_logits_give_the_saved_metrics(small_run: Run) -> None:
    table = pq.read_table(small_run.dir / "predictions.parquet")
    tags = json.loads(table.schema.metadata[b"tags"])
    tagger = small_run.tagger("cpu")
    assert tuple(tags) == tagger.tags
    rows = [row for row in table.to_pylist() if row["side"] == "test"]
    rule = tagger.bundle.rule
    accepted_NK = rule.accept(rule.probabilities(np.array([row["logits"] for row in rows])))
    y_NK = np.array([row["labels"] for row in rows])
    hits = (accepted_NK & (y_NK == 1)).sum()
    f1 = 2 * hits / (accepted_NK.sum() + y_NK.sum())
    assert f1 == pytest.approx(small_run.metrics["test"]["f1_micro"]["value"], abs=1e-9)


def test_a_bundle_in_a_new_process_gives_the_same_probabilities(small_run: Run, tmp_path: Path) -> None:
    texts = ["Train a robot in simulation", "", "SQL over Parquet files " * 200, "日本語の形態素解析"]
    here = Tagger.load(small_run.dir / "bundle", "cpu").probabilities(texts)
    script = (
        "import json, sys; from tagnet import Tagger; import numpy as np; "
        "t = Tagger.load(sys.argv[1], 'cpu'); np.save(sys.argv[3], t.probabilities(json.loads(sys.argv[2])))"
    )
    there = tmp_path / "probabilities.npy"
    command = [sys.executable, "-c", script, str(small_run.dir / "bundle"), json.dumps(texts), str(there)]
    subprocess.run(command, check=True, timeout=300)
    np.testing.assert_allclose(np.load(there), here, atol=1e-6, rtol=0)


def test_the_same_seed_gives_the_same_metrics(
    small_run: Run, small: tuple[str, ...], small_records: Path, tmp_path: Path
) -> None:
    again = fit(train_config(*small, f"data.records={small_records}", f"run.dir={tmp_path / 'again'}"))
    assert (again.dir / "metrics.json").read_bytes() == (small_run.dir / "metrics.json").read_bytes()
    other = fit(train_config(*small, f"data.records={small_records}", f"run.dir={tmp_path / 'other'}", "run.seed=1"))
    assert (other.dir / "metrics.json").read_bytes() != (small_run.dir / "metrics.json").read_bytes()


def test_a_run_that_is_told_so_never_looks_at_test(
    small_run: Run,
    small: tuple[str, ...],
    small_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    read: list[int] = []

    def counting(network: Any, tokens: Any, *arguments: Any, **named: Any) -> Any:
        read.append(len(tokens))
        return compute_logits(network, tokens, *arguments, **named)

    monkeypatch.setattr("tagnet.training.fit.compute_logits", counting)
    run = fit(train_config(*small, f"data.records={small_records}", f"run.dir={tmp_path / 'run'}", "run.test=false"))
    with_test, without = small_run.metrics, run.metrics
    # Texts stand in other batches, whose padding rounds the logits otherwise.
    for name, found in without.pop("val").items():
        assert found["value"] == pytest.approx(with_test["val"][name]["value"], abs=1e-5)
    assert without == {
        "baselines": {name: {"val": sides["val"]} for name, sides in with_test["baselines"].items()},
        "split": with_test["split"],
        "collapsed": with_test["collapsed"],
    }
    assert read == [len(json.loads((run.dir / "split.json").read_text())["val"])]
    assert (run.dir / "bundle" / "model.safetensors").read_bytes() == (
        small_run.dir / "bundle" / "model.safetensors"
    ).read_bytes()
    assert run.objective.value == pytest.approx(small_run.objective.value, abs=1e-5)
    print_summary(run, Console(width=120))
    said = capsys.readouterr().out
    assert "Validation records, the transformer beside its baselines" in said
    assert "est records" not in said.replace("alidation records", "")


def test_a_finished_run_is_never_overwritten(small_run: Run, small: tuple[str, ...], small_records: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in small_run.dir.rglob("*")}
    with pytest.raises(RunDirectoryError, match="never overwritten"):
        fit(train_config(*small, f"data.records={small_records}", f"run.dir={small_run.dir}"))
    assert {path: path.stat().st_mtime_ns for path in small_run.dir.rglob("*")} == before


def test_a_warm_start_takes_over_what_it_knows(
    small_run: Run, small: tuple[str, ...], small_records: Path, tmp_path: Path
) -> None:
    warm = train_config(
        *small,
        f"data.records={small_records}",
        f"run.dir={tmp_path / 'warm'}",
        f"model.init_from={small_run.dir / 'bundle'}",
        "labels.min_count=15",
        "labels.exclude=[computer-vision]",
    )
    run = fit(warm)
    log = (run.dir / "run.log").read_text()
    old, new = set(small_run.tagger("cpu").tags), set(run.tagger("cpu").tags)
    assert f"{len(old & new)} tags known, {len(new - old)} new, 1 gone" in log
    assert new - old
