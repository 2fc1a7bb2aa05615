from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable

import numpy as np
import pytest

from tagnet.evaluation import data_plots, plots
from tagnet.evaluation.report_data import LearningCurve, ReportData

MakeReport = Callable[..., ReportData]


def texts(drawn: str) -> list[str]:
    root = ET.fromstring(drawn.replace("xlink:href", "href"))
    return [element.text or "" for element in root.iter() if element.tag == "text"]


def test_hundreds_of_tags_show_the_ends(make_report: MakeReport) -> None:
    data = make_report(tags=tuple(f"tag{k:03d}" for k in range(120)), num_records=40)
    ranked = sorted(data.rows, key=lambda r: (-r.f1, -r.support))
    shown = texts(plots.tag_f1(data.rows, data.baseline_f1_K))
    assert f"{ranked[0].tag}  {ranked[0].support}" in shown
    assert f"{ranked[-1].tag}  {ranked[-1].support}" in shown
    assert sum(t.startswith("tag") for t in shown) == 40
    assert sum(t.startswith("tag") for t in texts(data_plots.frequencies(data.tags, data.y_all_NK))) == 40
    assert len(plots.tag_thresholds(data.tags, data.val.probs_NK, data.val.y_NK, data.thresholds_K)) == 40


def test_learning_curves_have_a_panel_each() -> None:
    curves = [LearningCurve("train", [1, 2], [2, 1], "loss"), LearningCurve("map", [2], [0.5], "validation")]
    shown = texts(plots.learning_curves(curves, best_step=2))
    assert {"loss", "validation"} <= set(shown)
    assert any("kept" in t for t in shown)
    assert not any("kept" in t for t in texts(plots.learning_curves(curves, best_step=None)))


def test_cooccurrence_is_a_share_of_the_row() -> None:
    y_NK = np.array([[1, 1]] * 3 + [[1, 0]])
    shown = texts(data_plots.cooccurrence(("often", "less"), y_NK))
    assert "75" in shown  # of the records with `often`, those with `less`
    assert "100" in shown


def test_the_reliability_intervals_cover_what_was_asked_for(make_report: MakeReport) -> None:
    data = make_report()
    drawn = {c: plots.reliability(data.judged.probs_NK, data.judged.y_NK, c) for c in (0.8, 0.95, 0.951)}
    assert len(set(drawn.values())) == 3


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_sides_without_positives_or_negatives_can_be_drawn(make_report: MakeReport, rate: float) -> None:
    data = make_report()
    y_NK = np.full_like(data.judged.y_NK, rate)
    assert plots.precision_recall(data.tags, data.judged.probs_NK, y_NK, data.rows, data.overall["map_micro"])
    assert plots.reliability(data.judged.probs_NK, y_NK, data.confidence)
    assert plots.global_threshold(data.judged.probs_NK, y_NK, data.thresholds_K)
