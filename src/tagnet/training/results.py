"""The files that a run leaves behind, metrics.json last.

Shapes: N records of a side, K tags.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tagnet.atomic import write_json, write_with
from tagnet.config import TrainConfig
from tagnet.data.prepare import Prepared
from tagnet.data.sides import crossing_duplicates
from tagnet.data.tokens import TokenizedTexts
from tagnet.evaluation.data_view import split_source
from tagnet.evaluation.label_scores import count, per_tag
from tagnet.evaluation.per_tag import write_csv
from tagnet.evaluation.report_data import DataSummary, LearningCurve, ReportData, SideData, SplitSummary
from tagnet.strict_build import to_plain
from tagnet.training.measure import Outcome, Side

if TYPE_CHECKING:
    import pyarrow as pa

SIDE_NAMES: Mapping[Side, Literal["validation", "test"]] = {"val": "validation", "test": "test"}
"""How the sides are called where people read."""
_PANELS = {
    "train.loss": ("loss", "train"),
    "val.loss": ("loss", "validation"),
    "val.map": ("validation", "mAP"),
    "val.map_micro": ("validation", "pooled AP"),
    "val.f1_micro": ("validation", "micro F1"),
    "val.f1_macro": ("validation", "macro F1"),
    "lr": ("learning rate", "peak of all groups"),
}


def write_results(
    folder: Path,
    config: TrainConfig,
    prepared: Prepared,
    tokens: TokenizedTexts,
    outcome: Outcome,
    best_step: int,
) -> None:
    """Write predictions, the table of tags, the report, and at last the metrics that mark the run as finished."""
    # The first step need not wait for Arrow and matplotlib.
    import pyarrow.parquet as pq

    from tagnet.evaluation.report import write_report

    write_with(folder / "predictions.parquet", lambda path: pq.write_table(predictions_table(prepared, outcome), path))
    write_csv(folder / "per_tag.csv", outcome.rows)
    write_report(folder / "report.html", _report(folder, config, prepared, tokens, outcome, best_step))
    write_json(folder / "metrics.json", outcome.to_plain())


def data_summary(prepared: Prepared, tokens: TokenizedTexts) -> DataSummary:
    """What was read and what became of it, for data.json and the report."""
    report = prepared.corpus.report
    return DataSummary(
        source=prepared.source,
        taxonomy=prepared.taxonomy_source,
        num_rows=report.num_rows,
        num_records=report.num_records,
        num_untagged_dropped=report.num_untagged_dropped,
        fingerprint=report.fingerprint,
        skipped=[asdict(row) for row in prepared.loaded.skipped],
        outside_taxonomy=report.outside_taxonomy,
        resolved_aliases=report.resolved_aliases,
        below_min_count=report.below_min_count,
        excluded=report.excluded,
        num_over_limit=tokens.num_over_limit,
        max_tokens=tokens.max_tokens,
        warnings=prepared.warnings,
    )


def predictions_table(prepared: Prepared, outcome: Outcome) -> pa.Table:
    """Logits and labels of the sides that were measured, a row a record; the tags are in the schema's metadata."""
    columns: dict[str, list[Any]] = {"id": [], "side": [], "logits": [], "labels": []}
    for side in outcome.model:
        index_N = getattr(prepared.split, side)
        columns["id"].extend(str(prepared.corpus.records[i].id) for i in index_N)
        columns["side"].extend([side] * len(index_N))
        columns["logits"].extend(outcome.logits[side].astype(np.float32))
        columns["labels"].extend(prepared.corpus.y_NK[index_N])
    import pyarrow as pa

    schema = pa.schema(
        [
            ("id", pa.string()),
            ("side", pa.string()),
            ("logits", pa.list_(pa.float32())),
            ("labels", pa.list_(pa.uint8())),
        ],
        metadata={"tags": json.dumps(outcome.rule.tags)},
    )
    return pa.table(columns, schema=schema)


def _report(
    folder: Path,
    config: TrainConfig,
    prepared: Prepared,
    tokens: TokenizedTexts,
    outcome: Outcome,
    best_step: int,
) -> ReportData:
    corpus, split = prepared.corpus, prepared.split
    environment: Mapping[str, str] = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    model, judged = outcome.model, outcome.judged
    return ReportData(
        run_name=config.run.name,
        encoder=config.encoder,
        seed=config.run.seed,
        tags=outcome.rule.tags,
        thresholds_K=outcome.rule.thresholds_K,
        train_counts_K=corpus.y_NK[split.train].sum(0, dtype=np.int64),
        judged_on=SIDE_NAMES[judged],
        judged=_side(prepared, outcome, judged),
        val=_side(prepared, outcome, "val"),
        y_all_NK=corpus.y_NK,
        rows=outcome.rows,
        overall=model[judged].result.overall,
        val_overall=model["val"].result.overall,
        baselines={name: sides[judged].result.overall for name, sides in outcome.baselines.items()},
        differences=outcome.differences,
        baseline_f1_K={
            name: per_tag(count(corpus.y_NK[getattr(split, judged)], sides[judged].accepted_NK))["f1"][0]
            for name, sides in outcome.baselines.items()
        },
        curves=_curves(folder / "metrics.jsonl"),
        best_step=best_step,
        split=SplitSummary(
            sizes={side: len(index) for side, index in split.sides().items()},
            quality=outcome.split.quality,
            naive_quality=outcome.split.naive_quality,
            source=split_source(config.split, config.run.seed),
            crossing_duplicates=len(crossing_duplicates(prepared.groups, split)),
        ),
        data=data_summary(prepared, tokens),
        calibrator=outcome.rule.calibrator,
        threshold_rule=outcome.rule.threshold_rule,
        bootstrap_samples=config.evaluation.bootstrap_samples,
        confidence=config.evaluation.confidence,
        config=to_plain(config),
        environment=environment,
        collapse=outcome.collapse,
    )


def _side(prepared: Prepared, outcome: Outcome, side: Side) -> SideData:
    index_N = getattr(prepared.split, side)
    return SideData(
        ids=[prepared.corpus.records[i].id for i in index_N],
        texts=[prepared.texts[i] for i in index_N],
        probs_NK=outcome.model[side].probs_NK,
        y_NK=prepared.corpus.y_NK[index_N],
        accepted_NK=outcome.model[side].accepted_NK,
        # By tanh: e^x would overflow.
        uncalibrated_NK=0.5 + 0.5 * np.tanh(0.5 * outcome.logits[side].astype(np.float64)),
    )


def _curves(path: Path) -> list[LearningCurve]:
    """The curves of metrics.jsonl that a person looks at."""
    points: dict[str, list[tuple[int, float]]] = {name: [] for name in _PANELS}
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        for name in _PANELS:
            if entry.get(name) is not None:
                points[name].append((entry["step"], entry[name]))
    return [
        LearningCurve(name, [step for step, _ in found], [value for _, value in found], panel)
        for (panel, name), found in ((_PANELS[key], found) for key, found in points.items())
        if found
    ]
