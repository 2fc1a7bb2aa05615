from __future__ import annotations

import base64
import dataclasses
import hashlib
import html
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagnet.evaluation.report import render_report, write_report
from tagnet.evaluation.report_data import DataSummary, ReportData

MakeReport = Callable[..., ReportData]
VOID = {"meta", "input", "br", "link", "img"}


class Page(HTMLParser):
    """Checks that elements close in order, and gathers what a test asks about."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.outside: list[str] = []
        self.scripts = 0
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.scripts += tag == "script"
        self.ids += [values["id"] or ""] if "id" in values else []
        if tag == "a":
            self.links.append(values["href"] or "")
        self.outside += [
            v or "" for k, v in attrs if k in ("src", "href", "xlink:href") and not (v or "").startswith("#")
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def plain_page(make_report: MakeReport) -> str:
    return render_report(make_report())


def test_the_page_is_whole_and_needs_nothing_else(plain_page: str) -> None:
    page = Page(plain_page)
    assert page.outside == []
    assert "@import" not in plain_page
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    for words in ("Beside the baselines", "Tag by tag", "Surest mistakes", "Learning curves", "optim.lr", "0.001"):
        assert words in page.text


def test_what_comes_from_records_is_escaped(make_report: MakeReport) -> None:
    evil = "<script>alert('x')</script><img src=x onerror=alert(1)>"
    tags = ('"><script>alert(2)</script>', "</svg>", "{{ 7 * 7 }}", "]]>", "日本語", "arxiv:2005.10872 ", "$x^2$")
    data = make_report(tags=tags, texts=evil)
    summary = DataSummary(
        evil, evil, 1, 1, 0, evil, [{"file": evil, "row": 1, "field": evil, "expected": evil, "found": evil}],
        {evil: 2}, {evil: 1}, {evil: 1}, {evil: 1}, 1, 8, [evil],
    )  # fmt: skip
    page = Page(render_report(dataclasses.replace(data, data=summary, run_name=evil, collapse=evil)))
    assert page.scripts == 1
    assert page.outside == []
    assert "{{ 7 * 7 }}" in page.text
    assert "arxiv:2005.10872" in page.text


def test_the_policy_allows_exactly_the_script_that_is_there(plain_page: str) -> None:
    script = re.search(r"<script>(.*?)</script>", plain_page, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html.unescape(plain_page)
    assert "default-src 'none'" in plain_page


def test_unpaired_surrogates_do_not_stop_it(make_report: MakeReport, tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", make_report(tags=("a\ud800", "b"), texts="odd \udfff text"))
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert r"odd \udfff text" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_precision_recall_and_ap_have_intervals_and_sort_as_numbers(make_report: MakeReport) -> None:
    data = make_report()
    row = data.rows[0]
    page = render_report(data)
    for value, low, high in (
        (row.precision, row.precision_low, row.precision_high),
        (row.recall, row.recall_low, row.recall_high),
        (row.average_precision, row.average_precision_low, row.average_precision_high),
    ):
        assert f'data-value="{value}">{value:.2f} <span class="interval">{low:.2f}–{high:.2f}</span>' in page


def test_hundreds_of_tags_stay_small_and_all_stand_in_the_table(make_report: MakeReport) -> None:
    page = render_report(make_report(tags=tuple(f"tag-{k}" for k in range(300)), num_records=60))
    assert len(page) < 3_000_000
    assert len(re.findall(r'<th scope="row"><span class="dot"', page)) == 300


@pytest.mark.parametrize(
    ("change", "there", "not_there"),
    [
        ({"curves": [], "best_step": None, "differences": {}}, ["Beside the baselines"], ["Learning curves", "minus"]),
        (
            {
                "collapse": "it predicts nothing",
                "environment": {"torch": "2"},
                "baseline_f1_K": {},
            },
            ["The model has collapsed: it predicts nothing.", "Where it ran", "minus"],
            ["A baseline's F1 is marked"],
        ),
    ],
)
def test_parts_that_are_not_there_are_left_out(
    make_report: MakeReport, change: dict[str, Any], there: list[str], not_there: list[str]
) -> None:
    page = Page(render_report(dataclasses.replace(make_report(), **change)))
    assert [words for words in there if words not in page.text] == []
    assert [words for words in not_there if words in page.text] == []


def test_one_tag_and_no_baseline(make_report: MakeReport) -> None:
    page = Page(render_report(make_report(tags=("only",), with_baselines=False)))
    assert "No baseline ran beside it" in page.text
    assert "Which tags stand together" not in page.text


def test_a_tag_that_no_test_record_bears_is_said_so(make_report: MakeReport) -> None:
    data = make_report()
    rows = [dataclasses.replace(data.rows[0], support=0, average_precision=None), *data.rows[1:]]
    assert "no test record bears it" in Page(render_report(dataclasses.replace(data, rows=rows))).text


def test_the_same_run_gives_the_same_page(make_report: MakeReport, plain_page: str) -> None:
    assert render_report(make_report()) == plain_page


def test_mistakes_show_all_of_the_text_and_no_certainty(make_report: MakeReport) -> None:
    data = make_report(texts="word " * 300 + "end")
    sure = dataclasses.replace(
        data.judged, probs_NK=np.where(data.judged.y_NK > 0, 0.001, 0.999), accepted_NK=data.judged.y_NK == 0
    )
    text = Page(render_report(dataclasses.replace(data, judged=sure))).text
    assert "more" in text
    assert "word end" in text
    assert "probability above 0.99" in text
    assert "probability below 0.01" in text
