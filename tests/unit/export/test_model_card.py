"""The card says what is known, and what is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tagnet.bundle import Bundle
from tagnet.errors import DataError
from tagnet.evaluation.per_tag import TagRow, read_csv, write_csv
from tagnet.export.model_card import card_text, figures_of_run

ROW = TagRow("a|b\nc", 9, 40, 30, 0.4, 0.5, 0.4, 0.6, 0.3, 0.2, 0.4, 0.35, 0.25, 0.45, 0.7, 0.6, 0.8)
ROWS = [
    ROW,
    replace(ROW, tag="rare", support=2, f1=1.0),
    replace(ROW, tag="unseen", support=0, predicted=0, f1=0.0, average_precision=None),
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    estimate = {"value": 0.5, "low": 0.25, "high": 0.75}
    names = ("f1_micro", "f1_macro", "f1_weighted", "map", "ece")
    metrics = {side: dict.fromkeys(names, estimate) for side in ("val", "test")}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    write_csv(tmp_path / "per_tag.csv", ROWS)
    return tmp_path


def test_rows_come_back_from_their_file(run: Path) -> None:
    assert read_csv(run / "per_tag.csv") == ROWS


def test_the_card_holds_data_metrics_tags_and_limits(run: Path, write_tiny_bundle: Callable[..., Bundle]) -> None:
    bundle = write_tiny_bundle(feature_tokens={"title": 9}, window_overlap=4)
    figures = figures_of_run(run, {"val": 1200, "test": 300})
    card = card_text(bundle, "---\nfront\n---\n", "How to.\n", "some texts. Fine", figures)
    assert card.startswith("---\nfront\n---\n# test: 3 tags for texts\n")
    for line in (
        "| 1,200 validation records | 0.500 (0.250 to 0.750) | 0.500 (0.250 to 0.750) |",
        "On 300 test records.",
        "| a\\|b c | 9 | 40 | 0.400 | 0.50 | 0.30 | 0.35 (0.25 to 0.45) | 0.70 |",
        "| unseen | 9 | 0 | 0.400 | – | – | – | – |",
        "fields are cut: title after 9 tokens.",
        "in windows that share 4 tokens",
        "- Learned from fewer than 30 records: databases, graphs, nlp.",
        "- Weak (F1 below .5): a\\|b c.",
        "- Borne by fewer than 5 of the 300 test records, too few to judge: rare, unseen.",
        "Against the bundle, on some texts. Fine.",
        bundle.fingerprint,
    ):
        assert line in card


def test_the_card_says_whether_words_speak_beside_the_encoder(write_tiny_bundle: Callable[..., Bundle]) -> None:
    bundle = write_tiny_bundle()
    line = "- Beside it, as far as validation records said: the words of a text, and names of tags in it"
    assert line not in card_text(bundle, "", "", "texts", None)
    lexical = replace(bundle, model=replace(bundle.model, lexical=True))
    assert line in card_text(lexical, "", "", "texts", None)


def test_without_figures_it_says_so(write_tiny_bundle: Callable[..., Bundle]) -> None:
    card = card_text(write_tiny_bundle(), "", "", "texts", None)
    assert "Not measured" in card
    assert "## Tags" not in card


@pytest.mark.parametrize(("name", "text"), [("metrics.json", '{"val": {}}'), ("per_tag.csv", "tag,f1\na,b\n")])
def test_a_damaged_run_is_named(name: str, text: str, run: Path) -> None:
    (run / name).write_text(text)
    with pytest.raises(DataError, match=f"{name}: expected the"):
        figures_of_run(run, {})
