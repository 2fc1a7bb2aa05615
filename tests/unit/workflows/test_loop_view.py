"""Where a loop stands, drawn: rounds, intervals, what is to be expected; and names that are markup."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tagnet.cli.compose import train_config
from tagnet.evaluation.intervals import Estimate
from tagnet.labeling.stopping import StoppingRules
from tagnet.workflows.loop_answers import Waiting
from tagnet.workflows.loop_files import LoopFiles
from tagnet.workflows.loop_plan import LoopPlan, LoopRules
from tagnet.workflows.loop_start import Start
from tagnet.workflows.loop_training import Trained
from tagnet.workflows.loop_view import ahead_in_words, draw, loop_table

START = Start(".json", ("a", "b"), (1, 2), (3,), (4,), (5, 6), (5, 6), 0, 0)
RULES = LoopRules(9, "f1_macro", StoppingRules(target=0.7, agreement=None))


@pytest.fixture
def plan() -> LoopPlan:
    return LoopPlan(train_config("run.dir=x"), "all.json", tool="doccano", batch_size=10)


def rounds(*scores: float, test: bool = True) -> list[Trained]:
    """A round a score; decisions change until the last two rounds."""
    made = []
    for number, score in enumerate(scores):
        estimates = {"f1_macro": Estimate(score, score - 0.1, score + 0.1)}
        decisions = np.array([[True, False], [number % 2 == 0 or number > 2, True]])
        made.append(
            Trained(number, 100 + 10 * number, "ab", estimates, estimates if test else {}, decisions.astype(bool))
        )
    return made


def text_of(rules: LoopRules, found: list[Trained], width: int) -> str:
    said = io.StringIO()
    console = Console(width=width, file=said)
    console.print(loop_table(rules, found, console))
    return said.getvalue()


def test_a_row_a_round_with_intervals_where_there_is_room() -> None:
    found = rounds(0.3, 0.4)
    wide, narrow = text_of(RULES, found, 100), text_of(RULES, found, 50)
    assert "110" in wide
    assert "0.400" in wide
    assert "0.30 to 0.50" in wide
    assert "0.400" in narrow
    assert "to 0.50" not in narrow
    assert "macro F1 by labelled records" in wide


def test_without_test_records_there_is_a_dash() -> None:
    assert "–" in text_of(RULES, rounds(0.3, test=False), 100)


def test_what_is_to_be_expected_is_said_once_the_curve_is_long_enough(plan: LoopPlan) -> None:
    assert ahead_in_words(plan, RULES, rounds(0.3, 0.4, 0.5)) is None
    said = ahead_in_words(plan, RULES, rounds(0.3, 0.4, 0.45, 0.47, 0.48))
    assert said is not None
    assert said.startswith("With 190 labelled records macro F1 0.")
    assert "of the target 0.700: the curve stays below it" in said
    reached = ahead_in_words(plan, RULES, rounds(0.3, 0.5, 0.6, 0.71))
    assert reached is not None
    assert "of the target" not in reached
    nearer = ahead_in_words(plan, RULES, rounds(0.3, 0.4, 0.5, 0.6))
    assert nearer is not None
    assert "the curve meets it at about 1" in nearer


def test_the_page_says_what_it_waits_for_and_escapes_what_it_is_given(plan: LoopPlan, tmp_path: Path) -> None:
    files = LoopFiles(tmp_path / "<b>mine")
    waiting = Waiting(4, 10, 7, 0, "label <i>tasks</i>")
    draw(files, plan, RULES, START, rounds(0.3, 0.4, 0.45, 0.47, 0.48), waiting=waiting)
    html = files.page.read_text(encoding="utf-8")
    assert "It waits for 3 of 10 answers: label &lt;i&gt;tasks&lt;/i&gt;" in html
    assert "&lt;b&gt;mine" in html
    assert "<b>mine" not in html
    assert html.count('<svg role="img"') == 1
    assert "to be expected" in html
    curve = json.loads(files.curve.read_text(encoding="utf-8"))
    assert [each["agreement"] for each in curve["rounds"]] == [None, 0.5, 0.5, 1.0, 1.0]
    assert curve["rounds"][-1]["val"]["f1_macro"] == {"value": 0.48, "low": 0.38, "high": 0.58}
    assert curve["stop"] is None


def test_the_page_of_the_first_round_and_of_the_end(plan: LoopPlan, tmp_path: Path) -> None:
    files = LoopFiles(tmp_path)
    draw(files, plan, RULES, START, rounds(0.3, test=False))
    assert "It is at work." in files.page.read_text(encoding="utf-8")
    draw(files, plan, RULES, START, rounds(0.3, 0.71), stop="the score is 0.710")
    assert "It has ended: the score is 0.710." in files.page.read_text(encoding="utf-8")
