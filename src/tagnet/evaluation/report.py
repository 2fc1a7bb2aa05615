"""The report of a run: one HTML file that needs nothing else, neither files nor network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from tagnet.atomic import write_text
from tagnet.evaluation import data_plots, page, plots, svg
from tagnet.evaluation.calibration_view import SupportBand, support_bands
from tagnet.evaluation.excerpt import excerpt, rest
from tagnet.evaluation.headline import headline
from tagnet.evaluation.intervals import Estimate
from tagnet.evaluation.metrics import HEADLINE_KEYS, LOWER_IS_BETTER
from tagnet.evaluation.mistakes import confident_mistakes
from tagnet.evaluation.per_tag import FEWEST_POSITIVES, GOOD_F1, WEAK_F1
from tagnet.evaluation.report_data import ReportData
from tagnet.evaluation.tables import MODEL_NAMES, NAMES

MOST_LISTED = 60
"""Entries of a list of dropped tags or skipped rows; the rest is counted."""


def write_report(path: Path, data: ReportData) -> None:
    """Write the report to `path`; the file appears whole or not at all.

    Everything that comes from the records is escaped, and the page's own policy forbids it to load or run anything
    but what is in it. Unpaired surrogates in texts are spelled out.

    Raises:
        RunDirectoryError: it cannot be written.
    """
    write_text(path, render_report(data))


def render_report(data: ReportData) -> str:
    """The report as HTML."""
    judged = data.judged
    bands = support_bands(judged.uncalibrated_NK, judged.probs_NK, judged.y_NK, data.train_counts_K, data.tags)
    return page.render(
        "tagnet.evaluation",
        "report.html",
        {"score": _score, "chance": _chance, "excerpt": excerpt, "rest": rest, "most": _most},
        data=data,
        headline=headline(data),
        bands=bands,
        headline_keys=HEADLINE_KEYS,
        names=METRIC_NAMES,
        hints=HINTS,
        model_names=MODEL_NAMES,
        best=_best(data),
        order=sorted(range(len(data.rows)), key=lambda k: (not (r := data.rows[k]).support, -r.f1, -r.support)),
        best_baseline_K=_best_baseline(data),
        mistakes=confident_mistakes(
            data.judged.ids,
            data.judged.texts,
            data.tags,
            data.thresholds_K,
            data.judged.probs_NK,
            data.judged.y_NK,
            data.judged.accepted_NK,
        ),
        plots={name: Markup(drawn) for name, drawn in _plots(data, bands).items()},
        threshold_plots={
            tag: Markup(drawn)
            for tag, drawn in plots.tag_thresholds(
                data.tags, data.val.probs_NK, data.val.y_NK, data.thresholds_K
            ).items()
        },
        most_tags=svg.MOST_TAGS,
        limits={"good": GOOD_F1, "weak": WEAK_F1, "fewest": FEWEST_POSITIVES, "listed": MOST_LISTED},
        config=_flatten(data.config),
    )


METRIC_NAMES = {
    **NAMES,
    "map_micro": "mAP, pooled",
    "precision_micro": "precision, micro",
    "precision_macro": "precision, macro",
    "precision_weighted": "precision, weighted",
    "recall_micro": "recall, micro",
    "recall_macro": "recall, macro",
    "recall_weighted": "recall, weighted",
    "ndcg": "nDCG",
    "lrap": "label-ranking AP",
    "subset_accuracy": "subset accuracy",
    "hamming_loss": "Hamming loss",
    "brier": "Brier score",
    "log_loss": "log loss",
}
HINTS = {
    "f1_micro": "all decisions pooled",
    "f1_macro": "every tag counts alike",
    "f1_weighted": "tags count by frequency",
    "map": "ranking, whatever the thresholds",
    "ece": "calibration error, lower is better",
}


def _plots(data: ReportData, bands: Sequence[SupportBand]) -> dict[str, str]:
    judged, val, thresholds_K = data.judged, data.val, data.thresholds_K
    made = {
        "tag_f1": plots.tag_f1(data.rows, data.baseline_f1_K, data.judged_on),
        "precision_recall": plots.precision_recall(
            data.tags, judged.probs_NK, judged.y_NK, data.rows, data.overall["map_micro"]
        ),
        "reliability": plots.reliability(judged.probs_NK, judged.y_NK, data.confidence),
        "global_threshold": plots.global_threshold(val.probs_NK, val.y_NK, thresholds_K),
        "frequencies": data_plots.frequencies(data.tags, data.y_all_NK),
    }
    if data.baselines:
        made["models"] = plots.model_comparison({data.run_name: data.overall, **data.baselines})
    if len(bands) > 1:
        made["reliability_by_support"] = plots.reliability_by_support(bands)
    if data.curves:
        made["learning"] = plots.learning_curves(data.curves, data.best_step)
    if len(data.tags) > 1:
        made["cooccurrence"] = data_plots.cooccurrence(data.tags, data.y_all_NK)
    return made


def _best(data: ReportData) -> dict[str, float]:
    models = [data.overall, *data.baselines.values()]
    return {k: (min if k in LOWER_IS_BETTER else max)(m[k].value for m in models) for k in HEADLINE_KEYS}


def _best_baseline(data: ReportData) -> list[tuple[float, str]] | None:
    """For each tag, the best F1 among the baselines and whose it is."""
    if not data.baseline_f1_K:
        return None
    names = list(data.baseline_f1_K)
    f1_BK = np.stack([data.baseline_f1_K[name] for name in names])
    winners_K = f1_BK.argmax(0)
    return [(float(f1_BK[w, k]), MODEL_NAMES.get(names[w], names[w])) for k, w in enumerate(winners_K)]


def _score(value: float | Estimate | None, digits: int = 3) -> str:
    if value is None:
        return "–"
    return f"{value.value if isinstance(value, Estimate) else value:.{digits}f}"


def _chance(probability: float) -> str:
    """Two digits, but never 0 or 1: the model is not that sure.

    >>> _chance(0.0004), _chance(0.5), _chance(0.999)
    ('below 0.01', '0.50', 'above 0.99')
    """
    if probability < 0.01:
        return "below 0.01"
    return "above 0.99" if probability > 0.99 else f"{probability:.2f}"


def _most(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_LISTED]


def _flatten(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    lines = []
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            lines += _flatten(value, f"{prefix}{key}.")
        else:
            lines.append((f"{prefix}{key}", "null" if value is None else str(value)))
    return lines
