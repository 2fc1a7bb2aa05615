"""The files that a run leaves behind."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tagnet.config import TrainConfig
from tagnet.data.prepare import Prepared, prepare
from tagnet.data.tokens import TokenizedTexts
from tagnet.errors import RunDirectoryError
from tagnet.evaluation import report as report_module
from tagnet.training import results
from tagnet.training.environment import environment
from tagnet.training.measure import Outcome
from tagnet.training.results import data_summary, write_results

LINES = [
    {"step": 1, "epoch": 0, "lr": 0.1, "train.loss": 0.7},
    {"step": 2, "epoch": 0, "lr": 0.2, "train.loss": None},
    {"step": 2, "epoch": 0, "val.loss": 0.6, "val.map": 0.5, "val.f1_micro": 0.4, "val.f1_macro": 0.3},
]


@pytest.fixture
def tokens(prepared: Prepared) -> TokenizedTexts:
    size = len(prepared.texts)
    starts = np.arange(size + 1)
    return TokenizedTexts(np.zeros(size, np.int32), starts, starts, np.arange(size) < 7, 32)


@pytest.fixture
def write(
    tmp_path: Path, config: TrainConfig, prepared: Prepared, tokens: TokenizedTexts, outcome: Outcome
) -> Callable[[], Path]:
    """Write the results into a folder that holds what a run has written by then."""
    (tmp_path / "environment.json").write_text(json.dumps(environment(0)))
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))

    def run() -> Path:
        write_results(tmp_path, config, prepared, tokens, outcome, best_step=2)
        return tmp_path

    return run


def test_predictions_are_those_of_validation_and_test(
    write: Callable[[], Path], prepared: Prepared, outcome: Outcome
) -> None:
    table = pq.read_table(write() / "predictions.parquet")
    assert json.loads(table.schema.metadata[b"tags"]) == list(outcome.rule.tags)
    rows = table.to_pylist()
    for side in ("val", "test"):
        index = getattr(prepared.split, side)
        of_side = [row for row in rows if row["side"] == side]
        assert [row["id"] for row in of_side] == [str(prepared.corpus.records[i].id) for i in index]
        np.testing.assert_allclose([row["logits"] for row in of_side], outcome.logits[side], rtol=1e-6)
        np.testing.assert_array_equal([row["labels"] for row in of_side], prepared.corpus.y_NK[index])
    assert {row["side"] for row in rows} == {"val", "test"}


def test_without_test_nothing_is_said_of_it(
    tmp_path: Path,
    write: Callable[[], Path],
    config: TrainConfig,
    prepared: Prepared,
    tokens: TokenizedTexts,
    untested: Outcome,
) -> None:
    untouched = (write() / "report.html").read_text(encoding="utf-8")
    write_results(tmp_path, config, prepared, tokens, untested, best_step=2)
    sides = set(pq.read_table(tmp_path / "predictions.parquet")["side"].to_pylist())
    assert sides == {"val"}
    with (tmp_path / "per_tag.csv").open(newline="") as stream:
        supports = [int(row["support"]) for row in csv.DictReader(stream)]
    assert supports == prepared.corpus.y_NK[prepared.split.val].sum(0).tolist()
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    number = len(prepared.split.val)
    assert f"On {number} validation records" in report
    assert "test records were not looked at" in report
    for words in ("on the test records", "test F1", "test mAP", "test records that bear it", ">test</th>"):
        assert words not in report
        assert words in untouched
    assert "not looked at" not in untouched


def test_tables_report_and_metrics_agree(write: Callable[[], Path], outcome: Outcome) -> None:
    folder = write()
    assert json.loads((folder / "metrics.json").read_text()) == outcome.to_plain()
    with (folder / "per_tag.csv").open(newline="") as stream:
        assert [row["tag"] for row in csv.DictReader(stream)] == list(outcome.rule.tags)
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert f"{outcome.model['test'].result.overall['map'].value:.3f}" in report
    assert "prior" in report


@pytest.mark.parametrize(
    ("module", "broken"), [(results, "write_csv"), (report_module, "write_report"), (results, "predictions_table")]
)
def test_without_all_the_others_there_are_no_metrics(
    module: ModuleType, broken: str, write: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, broken, fail)
    with pytest.raises((OSError, RunDirectoryError)):
        write()
    assert not (tmp_path / "metrics.json").exists()
    assert not list(tmp_path.glob(".*.part"))


def test_the_summary_says_what_became_of_the_rows(
    make_config: Callable[..., TrainConfig], tokens: TokenizedTexts, rows: list[dict[str, Any]]
) -> None:
    config = make_config("data.on_invalid=skip", "labels.exclude=[blue]")
    bad = [{"id": "x", "title": "", "description": "", "tags": ["red"]}]
    rare = [{"id": "y", "title": "one", "description": "alone", "tags": ["rare", "red"]}]
    found = data_summary(prepare(config, rows + bad + rare), tokens)
    assert (found.num_rows, len(found.skipped)) == (202, 1)
    assert found.skipped[0]["row"] == 201
    assert found.below_min_count == {"rare": 1}
    assert set(found.excluded) == {"blue"}
    assert found.num_records + found.num_untagged_dropped == 201
    assert found.num_over_limit == 7
    assert found.source == "the given records"
    assert found.taxonomy is None
