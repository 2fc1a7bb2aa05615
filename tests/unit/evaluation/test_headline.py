from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from tagnet.evaluation.headline import headline
from tagnet.evaluation.intervals import Estimate
from tagnet.evaluation.per_tag import TagRow
from tagnet.evaluation.report_data import ReportData

MakeReport = Callable[..., ReportData]


def row(tag: str, f1: float, support: int = 10) -> TagRow:
    return TagRow(tag, 10, support, 10, 0.5, *[f1] * 12)


def with_map(data: ReportData, ours: float, theirs: float, low: float, high: float) -> ReportData:
    def one(value: float, low: float = 0, high: float = 1) -> Estimate:
        return Estimate(value, low, high)

    return dataclasses.replace(
        data,
        overall={**data.overall, "map": one(ours), "f1_macro": one(0.7)},
        baselines={
            "prior": {**data.overall, "map": one(0.1), "f1_macro": one(0.1)},
            "tfidf_svm": {**data.overall, "map": one(theirs), "f1_macro": one(0.6)},
        },
        differences={"tfidf_svm": {"map": one(ours - theirs, low, high)}},
    )


def test_it_counts_the_tags_and_names_the_weak(make_report: MakeReport) -> None:
    rows = [row("a", 0.9), row("b", 0.6), row("worse", 0.1), row("weak", 0.4), row("rare", 1.0, support=4)]
    said = headline(dataclasses.replace(make_report(), rows=rows)).can_do
    assert said == (
        "On 60 test records, 1 of 5 tags is good (F1 of 0.70 or more), 1 is fair, and 2 are weak (below 0.50): "
        "worse, weak; 1 has fewer than 5 test records, too few to tell."
    )


def test_many_weak_tags_are_counted_not_listed(make_report: MakeReport) -> None:
    rows = [row(f"t{i}", 0.1) for i in range(9)]
    assert "t5 and 3 more." in headline(dataclasses.replace(make_report(), rows=rows)).can_do


@pytest.mark.parametrize(
    ("ours", "theirs", "low", "high", "standing", "said"),
    [
        (0.8, 0.7, 0.05, 0.15, "ahead", "It beats every baseline: test mAP 0.800 against 0.700"),
        (0.8, 0.7, -0.05, 0.25, "unclear", "not clearly"),
        (0.6, 0.7, -0.2, 0.1, "behind", "does not beat"),
        (0.7, 0.7, -0.1, 0.1, "behind", "does not beat"),
    ],
)
def test_it_is_honest_about_baselines(
    make_report: MakeReport, ours: float, theirs: float, low: float, high: float, standing: str, said: str
) -> None:
    found = headline(with_map(make_report(), ours, theirs, low, high))
    assert found.standing == standing
    assert said in found.against_baselines
    assert "TF-IDF + linear SVM" in found.against_baselines


def test_a_lower_macro_f1_is_not_hidden(make_report: MakeReport) -> None:
    data = with_map(make_report(), 0.8, 0.7, 0.05, 0.15)
    better = {**data.baselines["tfidf_svm"], "f1_macro": Estimate(0.75, 0.7, 0.8)}
    found = headline(dataclasses.replace(data, baselines={"tfidf_svm": better}))
    assert "macro F1 is lower, though: 0.700 against 0.750" in found.against_baselines


def test_without_baselines_it_says_so(make_report: MakeReport) -> None:
    assert headline(make_report(with_baselines=False)).standing == "alone"
