from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from html.parser import HTMLParser
from typing import Any

import numpy as np

from tagnet.config import TrainConfig
from tagnet.data.prepare import Prepared
from tagnet.evaluation import record_plots
from tagnet.evaluation.data_page import render_page
from tagnet.evaluation.data_view import view_data
from tagnet.evaluation.tag_view import view_tag
from tagnet.evaluation.token_lengths import view_tokens

Make = Callable[..., tuple[Prepared, TrainConfig]]
VOID = {"meta", "input", "br"}


class Balance(HTMLParser):
    """Which elements are open, which ids there are, and what refers to the outside."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [value for key, value in attrs if key == "id" and value]
        self.targets += [v for k in ("src", "href", "xlink:href") if (v := found.get(k))]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page(make: Make, *overrides: str, tag: str | None = "graphs", **kwargs: Any) -> str:
    prepared, config = make(*overrides, **kwargs)
    tokens = view_tokens(prepared, config.data, "tiny")
    return render_page(prepared, view_data(prepared, config), tokens, tag and view_tag(prepared, tag), overrides)  # type: ignore[arg-type]


def test_the_page_stands_alone_and_is_whole(make: Make) -> None:
    parsed = Balance()
    parsed.feed(page(make))
    assert parsed.open == []
    assert len(parsed.ids) == len(set(parsed.ids))
    assert all(target.startswith("#") for target in parsed.targets)
    assert {target[1:] for target in parsed.targets} <= set(parsed.ids)
    assert {"summary", "one", "records", "tags", "fates", "split", "lengths"} <= set(parsed.ids)


def test_what_comes_from_the_records_is_escaped(make: Make, rows: list[dict[str, Any]]) -> None:
    for row in rows[:12]:
        row["tags"] = ["<script>alert(1)</script>"]
        row["title"] = "<img src=x onerror=alert(2)>"
    html = page(make, "labels.min_count=1", tag="<script>alert(1)</script>", rows=rows, taxonomy=False)
    assert html.count("<script") == 1
    assert "<img" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_sections_without_matter_are_left_out(make: Make, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        del row["created_on"]
    prepared, config = make(rows=rows)
    html = render_page(prepared, view_data(prepared, config))
    assert 'id="lengths"' not in html
    assert 'id="one"' not in html
    assert "When records came about" not in html


def test_numbers_of_the_view_are_on_the_page(make: Make) -> None:
    html = page(make, "labels.exclude=[gnn]")
    assert re.search(r"Left out by labels.exclude <span class=\"count\">1</span>", html)
    assert "gnn <small>12</small>" in html
    assert "labels.exclude=[gnn]" in html


def test_a_single_tag_has_no_co_occurrence(make: Make) -> None:
    assert "Which tags stand together" not in page(make, "labels.include=[]", "labels.exclude=[gnn,graphs]", tag=None)
    assert "Which tags stand together" in page(make, tag=None)


def test_plots_of_extremes_can_be_drawn() -> None:
    assert record_plots.lengths(np.array([0]), None).startswith("<svg")
    assert "limit 20" in record_plots.lengths(np.array([3, 19, 21]), 20)
    assert "limit" not in record_plots.lengths(np.array([3, 4]), 512)
    assert record_plots.tags_a_record((0, 1)).startswith("<svg")
    assert record_plots.tags_a_record(tuple(range(40))).startswith("<svg")
    assert "records a month" in record_plots.dates([datetime(2020, 1, 1)], ["train"])
    spread = record_plots.dates([datetime(1, 1, 1), datetime(9999, 12, 31)], ["train", ""])
    assert "records a century" in spread
    assert "records a year" in record_plots.dates([datetime(2000, 1, 1), datetime(2020, 1, 1)], ["val", "test"])
    assert "on no side" in spread
