"""A sweep on the terminal."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from tagnet.workflows.study_files import Sweep, Trial
from tagnet.workflows.study_tables import study_tables
from tagnet.workflows.study_view import StudyView, view_study

MakeSweep = Callable[..., tuple[Sweep, list[Trial]]]


def printed(view: StudyView, width: int, *, everything: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(study_tables(view, console, everything=everything))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 160])
def test_it_fits_and_cuts_no_number(make_sweep: MakeSweep, width: int) -> None:
    sweep, trials = make_sweep()
    trials[3] = replace(
        trials[3], params={**trials[3].params, "encoder": "[red]a/very-long/name-of-an-encoder-somewhere"}
    )
    text = printed(view_study(sweep, trials), width)
    assert max(map(cell_len, text.splitlines())) <= width
    best = view_study(sweep, trials).ranked[0]
    row = next(line for line in text.splitlines() if re.match(rf" +{best.number}  ", line))
    assert f"{best.value:.4f}" in row
    assert f"{best.tie_break:.4f}" in row
    if width == 160:
        assert all(name in text for name in ("lr", "loss", "pooling", "batch_size", "gamma", "[red]a/very"))
        assert "Too narrow" not in text
    if width == 60:
        assert "Too narrow for" in text


def test_states_failures_importance_and_the_verdict(make_sweep: MakeSweep) -> None:
    text = " ".join(printed(view_study(*make_sweep(number=30)), 100).split())
    assert "Trials by val.map_micro, more is better: 26 complete, 1 pruned, 2 failed, 1 running" in text
    assert "5, 9 out of <memory>" in text
    assert "loss.gamma when loss=focal in" in text
    assert "better than the recipe as it was (trial 0" in text
    assert "20 of 30 trials; --all shows the others." in text


def test_all_of_them_where_all_are_asked_for(make_sweep: MakeSweep) -> None:
    view = view_study(*make_sweep(number=30))
    rows = re.compile(r"^ +\d+ {2,}", re.MULTILINE)
    assert len(rows.findall(printed(view, 100))) == 20
    assert len(rows.findall(printed(view, 100, everything=True))) == 30


def test_too_few_trials(make_sweep: MakeSweep) -> None:
    sweep, trials = make_sweep()
    text = printed(view_study(sweep, trials[:3]), 80)
    assert "Which settings matter: too few trials to tell: 3 complete, 8 needed" in text
    assert "Failed" not in text
