"""Small prepared records, and reports on made-up predictions, for the modules that look at them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagnet.cli.compose import compose_plain
from tagnet.config import TrainConfig
from tagnet.data.prepare import Prepared, prepare
from tagnet.evaluation.intervals import bootstrap, paired_bootstrap
from tagnet.evaluation.label_scores import count, per_tag
from tagnet.evaluation.per_tag import per_tag_table
from tagnet.evaluation.report_data import DataSummary, LearningCurve, ReportData, SideData, SplitSummary
from tagnet.strict_build import build

ROWS: list[dict[str, Any]] = [
    {"id": n, "created_on": f"20{10 + n % 9}-03-01", "title": title, "description": description, "tags": list(tags)}
    for n, (title, description, tags) in enumerate(
        [("Vision kit", f"pixels number {n} in a frame", ("vision",)) for n in range(12)]
        + [("Graph kit", f"nodes number {n} and edges", ("graphs", "gnn-alias")) for n in range(12)]
        + [("A graph of maps", "roads <b>drawn</b> by hand", ("vision", "old")), ("Odd one", "", ("nobody",))],
        start=1,
    )
]
TAXONOMY = [
    {"tag": "vision", "aliases": ["cv"], "parents": []},
    {"tag": "graphs", "aliases": ["graph"], "parents": []},
    {"tag": "gnn", "aliases": ["gnn-alias"], "parents": ["graphs"]},
    {"tag": "old", "aliases": [], "parents": []},
    {"tag": "never", "aliases": [], "parents": []},
]
Made = tuple[Prepared, TrainConfig]
Make = Callable[..., Made]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Prepare `ROWS`, or others, with settings in the grammar of the command line."""

    def prepared(*overrides: str, rows: list[dict[str, Any]] | None = None, taxonomy: bool = True) -> Made:
        records, tags = tmp_path / "records.json", tmp_path / "tags.json"
        records.write_text(json.dumps(ROWS if rows is None else rows), encoding="utf-8")
        tags.write_text(json.dumps(TAXONOMY), encoding="utf-8")
        words = [f"data.records={records}", f"data.taxonomy={tags if taxonomy else 'null'}", *overrides]
        if not any(word.startswith("labels.min_count") for word in words):
            words.append("labels.min_count=2")
        config = build(TrainConfig, compose_plain(words))
        return prepare(config), config

    return prepared


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """A copy of the rows, to be changed."""
    return json.loads(json.dumps(ROWS))  # type: ignore[no-any-return]


MakeReport = Callable[..., ReportData]


def make_report(
    tags: tuple[str, ...] = ("nlp", "vision", "graphs", "audio"),
    num_records: int = 60,
    texts: str = "A project about something",
    signal: float = 3.0,
    baseline_signal: float = 1.0,
    with_baselines: bool = True,
) -> ReportData:
    """A report on made-up predictions: `signal` is how far apart positives and negatives lie."""
    rng = np.random.default_rng(0)
    K, N = len(tags), num_records
    y_NK = (rng.random((N, K)) < 0.3).astype(np.uint8)
    noise_NK = rng.normal(size=(N, K))

    def predict(strength: float, noise: np.ndarray) -> np.ndarray:
        return np.asarray(1 / (1 + np.exp(-(noise + strength * (y_NK - 0.5)))))

    probs_NK, other_NK = predict(signal, noise_NK), predict(baseline_signal, rng.normal(size=(N, K)))
    thresholds_K = np.full(K, 0.5)
    accepted_NK, other_accepted_NK = probs_NK >= 0.5, other_NK >= 0.5
    result = bootstrap(probs_NK, y_NK, accepted_NK, samples=60, confidence=0.95, seed=0, at_k=[1, 3])
    other = bootstrap(other_NK, y_NK, other_accepted_NK, samples=60, confidence=0.95, seed=0, at_k=[1, 3])
    difference = paired_bootstrap(result, other)
    side = SideData(list(range(N)), [texts] * N, probs_NK, y_NK, accepted_NK, probs_NK**2)
    named = {"tfidf_svm": other.overall} if with_baselines else {}
    return ReportData(
        run_name="a run",
        encoder="tiny",
        seed=0,
        tags=tags,
        thresholds_K=thresholds_K,
        train_counts_K=y_NK.sum(0),
        judged_on="test",
        judged=side,
        val=side,
        y_all_NK=y_NK,
        rows=per_tag_table(tags, probs_NK, y_NK, accepted_NK, thresholds_K, y_NK.sum(0), result),
        overall=result.overall,
        val_overall=result.overall,
        baselines=named,
        differences={"tfidf_svm": difference} if with_baselines else {},
        baseline_f1_K={"tfidf_svm": per_tag(count(y_NK, other_accepted_NK))["f1"][0]} if with_baselines else {},
        curves=[LearningCurve("train", [1, 2, 3], [3, 2, 1], "loss")],
        best_step=2,
        split=SplitSummary({"train": N, "val": N, "test": N}, 3.0, 9.0, "iterative stratification, seed 0"),
        data=DataSummary("records.json", None, N, N),
        calibrator="shared Platt",
        threshold_rule="shrunk",
        bootstrap_samples=60,
        confidence=0.95,
        config={"optim": {"lr": 0.001}, "encoder": "tiny"},
    )


@pytest.fixture(name="make_report", scope="session")
def _make_report() -> MakeReport:
    return make_report
