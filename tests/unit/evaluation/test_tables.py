from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from tagnet.evaluation.report_data import ReportData
from tagnet.evaluation.tables import comparison_table, tag_table

MakeReport = Callable[..., ReportData]


def printed(table: object, width: int, **options: bool) -> str:
    console = Console(file=io.StringIO(), width=width, **options)  # type: ignore[arg-type]
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [50, 80, 100, 140])
def test_tables_fit_the_width_and_cut_no_number(make_report: MakeReport, width: int) -> None:
    data = make_report(tags=("nlp", "[red]not markup", "a-very-long-tag-name-that-has-to-be-folded-somewhere"))
    console = Console(width=width)
    text = printed(tag_table(data.rows, console), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for row in data.rows:
        assert f"{row.f1:.2f}" in text
    assert "[red]not" in text
    models = {"a [b]run": data.overall, **data.baselines}
    text = printed(comparison_table(models, console), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert f"{data.overall['map'].value:.3f}" in text


def test_the_best_tag_stands_first(make_report: MakeReport) -> None:
    data = make_report()
    lines = printed(tag_table(data.rows, Console(width=100)), 100).splitlines()
    best, worst = max(data.rows, key=lambda r: r.f1).tag, min(data.rows, key=lambda r: r.f1).tag
    first = next(i for i, line in enumerate(lines) if f" {best} " in f" {line.replace('│', ' ')} ")
    last = next(i for i, line in enumerate(lines) if f" {worst} " in f" {line.replace('│', ' ')} ")
    assert first < last


def test_a_pipe_and_no_color_get_plain_text(make_report: MakeReport, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_report()
    assert "\x1b" not in printed(tag_table(data.rows, Console(width=100)), 100)
    monkeypatch.setenv("NO_COLOR", "1")
    coloured = printed(tag_table(data.rows, Console(width=100)), 100, force_terminal=True)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", coloured)
