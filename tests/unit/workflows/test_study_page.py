"""A sweep as a page: whole, escaped, and there for every stage of a sweep."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tagnet.workflows.study_files import Sweep, Trial
from tagnet.workflows.study_page import render_page
from tagnet.workflows.study_view import StudyView, view_study

MakeSweep = Callable[..., tuple[Sweep, list[Trial]]]


def parts(page: str) -> ET.Element:
    """The page as a tree: it closes what it opens."""
    text = re.sub(r"<!doctype html>|<meta[^>]*>|<script>.*?</script>|<style>.*?</style>", "", page, flags=re.DOTALL)
    return ET.fromstring(
        html.unescape(re.sub(r"&(lt|gt|amp|quot|#34|#39);", r"&amp;\1;", text)).replace("xlink:href", "href")
    )


def cells(page: str) -> list[list[str]]:
    table = next(each for each in parts(page).iter("table") if each.get("id") == "tagtable")
    return [["".join(cell.itertext()) for cell in row] for row in table.findall("tbody/tr")]


def plots(page: str) -> set[str]:
    return set(re.findall(r'<svg role="img" aria-label="([^"]+)"', page))


@pytest.fixture(scope="module")
def view(make_sweep: MakeSweep) -> StudyView:
    return view_study(*make_sweep(number=20))


def test_a_row_a_trial_the_best_first(view: StudyView) -> None:
    rows = cells(render_page(view, "a sweep", Path("runs/a sweep/best.yaml")))
    assert [row[0] for row in rows] == [str(trial.number) for trial in view.ranked]
    assert rows[0][2] == f"{view.ranked[0].value:.4f}"
    assert [row[1] for row in rows if "as it was" in row[1]] == ["as it was, complete"]
    assert rows[-1][2] == "–"


def test_it_needs_nothing_else_and_runs_its_own_script_alone(view: StudyView) -> None:
    page = render_page(view, "a sweep", Path("best.yaml"))
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"', page) == []
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'<a href="#([^"]+)"', page)) <= set(ids)
    assert len(plots(page)) == 4
    assert "tagnet train experiment=best.yaml" in page
    assert page == render_page(view, "a sweep", Path("best.yaml"))


def test_what_settings_and_errors_say_is_escaped(make_sweep: MakeSweep) -> None:
    evil = "</svg><script>alert('x')</script>{{ 7 * 7 }}"
    sweep, trials = make_sweep(number=14, overrides=(f"data.records={evil}",), space={"loss": evil})
    trials = [
        replace(t, reason=evil if t.reason else None, params={**t.params, "encoder": f"{evil}{t.number % 2}"})
        for t in trials
    ]
    page = render_page(view_study(sweep, trials), evil, Path(evil))
    assert page.count("<script>") == 1
    assert "49" not in page[page.index("<h1>") : page.index("</h1>")]
    parts(page)


STAGES: dict[str, tuple[Callable[[list[Trial]], list[Trial]], set[str]]] = {
    "running alone": (lambda trials: [replace(trials[0], state="running", value=None, history=())], set()),
    "failed alone": (lambda trials: trials[5:6], set()),
    "one complete": (lambda trials: trials[:1], {"best so far", "every epoch"}),
    "few complete": (lambda trials: trials[:4], {"best so far", "every epoch", "every complete"}),
    "pruned alone": (lambda trials: trials[4:5], {"best so far", "every epoch"}),
    "all alike": (
        lambda trials: [replace(t, value=0.5, params={"loss": "bce"}, state="complete") for t in trials],
        {"best so far", "every epoch"},
    ),
    "one category": (
        lambda trials: [replace(t, params={"loss": "bce"} | ({"x": True} if t.number else {})) for t in trials],
        {"best so far", "every epoch", "every complete"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_of_a_sweep_can_be_looked_at(make_sweep: MakeSweep, stage: str) -> None:
    cut, drawn = STAGES[stage]
    sweep, trials = make_sweep()
    page = render_page(view_study(sweep, cut(trials)), stage)
    parts(page)
    found = plots(page)
    assert {
        words
        for words in ("best so far", "every epoch", "every complete", "each setting")
        if any(words in p for p in found)
    } == drawn


def test_many_categories_and_settings_that_do_not_apply(make_sweep: MakeSweep) -> None:
    sweep, trials = make_sweep(number=40, direction="minimize", objective="val.loss")
    names = [f"a-long-name-of-an-option-{n}" for n in range(8)]
    trials = [
        replace(t, params={**t.params, "a": names[t.number % 8], **{f"k{n}": (t.number * n) % 7 for n in range(12)}})
        for t in trials
    ]
    page = render_page(view_study(sweep, trials), "wide")
    assert "The weightiest 10 settings." in page
    assert "less is better" in page


def test_values_sort_as_numbers_and_what_is_missing_comes_last(view: StudyView) -> None:
    page = render_page(view, "a sweep")
    found = re.findall(r'data-value="([^"]*)"', page)
    assert {value for value in found if not re.fullmatch(r"-?[\d.]+(e-?\d+)?", value)} == {"-Infinity"}
