from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tagnet.workflows.simulate import Curve, Plan, Round
from tagnet.workflows.simulation_statistics import labels_saved, summarize, to_plain
from tagnet.workflows.simulation_view import curves_plot, gains_plot, shown_in_plot, simulation_table, write_page

DEFAULT = "gain_scarce+coverage"
PLAN = Plan(("random", DEFAULT), 3, start=100, step=100, labels=300, test_share=0.3, random_share=0.1)


def curve(strategy: str, seed: int, *scores: float) -> Curve:
    rounds = [Round(n, {"f1_macro": score}, ()) for n, score in zip(PLAN.sizes, scores, strict=True)]
    return Curve(strategy, seed, tuple(rounds))


CURVES = [
    *(curve("random", seed, 0.4, 0.5 + 0.01 * seed, 0.6) for seed in range(3)),
    *(curve(DEFAULT, seed, 0.4, 0.6 + 0.02 * seed, 0.7) for seed in range(3)),
    curve("margin", 0, 0.4, 0.4, 0.5),
    curve("margin", 7, 0.9, 0.9, 0.9),
]


def test_differences_are_paired_and_sorted_by_area() -> None:
    found = summarize(CURVES, PLAN, "f1_macro")
    assert [each.strategy for each in found.results] == [DEFAULT, "random", "margin"]
    best, random, margin = found.results
    assert best.area.value == pytest.approx((0.5 * 0.4 + 0.62 + 0.5 * 0.7) / 2)
    assert best.gain is not None
    assert best.gain.value == pytest.approx((0.11 + 0.05) / 2)
    assert 0 < best.gain.low < best.gain.value
    assert best.gain_corrected is not None
    assert best.gain_corrected.low < best.gain.low
    assert random.gain is random.saved is None
    assert margin.seeds == (0,)  # random has no seed 7


def test_cost_is_where_the_mean_curve_crosses() -> None:
    found = summarize(CURVES, PLAN, "f1_macro")
    best, random, margin = found.results
    assert found.target == pytest.approx(0.6)
    assert best.reached == pytest.approx(100 + 100 * 0.2 / 0.22)
    assert random.reached == pytest.approx(300)
    assert best.saved is not None
    assert best.saved.value == pytest.approx(300 - (100 + 100 * 0.2 / 0.22))
    assert best.saved.low <= best.saved.value <= best.saved.high
    assert margin.reached is None
    assert margin.saved is None
    assert summarize(CURVES, PLAN, "f1_macro", target=0.55).results[1].reached == pytest.approx(200 + 100 * 0.04 / 0.09)


def test_a_curve_that_does_not_get_there_saves_nothing() -> None:
    sizes, low, high = np.array([1.0, 2.0]), np.array([[0.1, 0.2]]), np.array([[0.1, 0.3]])
    assert labels_saved(sizes, low, high) is None


def test_without_random_there_is_nothing_to_compare_with() -> None:
    with pytest.raises(ValueError, match="expected curves of random"):
        summarize([curve("margin", 0, 0.1, 0.2, 0.3)], PLAN, "f1_macro")


def test_table_page_and_numbers_say_the_same(tmp_path: Path) -> None:
    found = summarize(CURVES, PLAN, "f1_macro")
    plain = to_plain(found)["strategies"]
    assert plain[DEFAULT]["gain"]["value"] == pytest.approx(0.08)
    write_page(tmp_path / "page.html", found, PLAN, "a <b> name")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "a &lt;b&gt; name" in page
    assert page.count("<svg") == 2
    for text in (DEFAULT, "+0.080 ±", "macro F1"):
        assert text in page
    assert [each.strategy for each in shown_in_plot(found.results)][:2] == [DEFAULT, "random"]
    assert "<svg" in curves_plot(found, PLAN)
    assert "<svg" in gains_plot(found)


def test_the_table_fits_eighty_columns() -> None:
    console = Console(width=80, record=True, file=StringIO())
    console.print(simulation_table(summarize(CURVES, PLAN, "f1_macro"), PLAN))
    text = console.export_text()
    assert "…" not in text
    assert "+0.080 ±" in text
