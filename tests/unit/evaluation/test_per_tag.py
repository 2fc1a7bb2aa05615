from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tagnet.errors import RunDirectoryError
from tagnet.evaluation.intervals import bootstrap
from tagnet.evaluation.per_tag import TagRow, per_tag_table, write_csv

TAGS = ("a", 'odd, "tag"\n', "never")


def make_rows() -> list[TagRow]:
    y_NK = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [1, 0, 0]])
    probs_NK = np.array([[0.9, 0.1, 0.2], [0.8, 0.6, 0.1], [0.7, 0.2, 0.1], [0.3, 0.4, 0.1]])
    accepted_NK = probs_NK >= 0.5
    intervals = bootstrap(probs_NK, y_NK, accepted_NK, samples=50, confidence=0.95, seed=0, at_k=[1])
    return per_tag_table(TAGS, probs_NK, y_NK, accepted_NK, np.full(3, 0.5), np.array([10, 5, 7]), intervals)


def test_rows_by_hand() -> None:
    first, second, never = make_rows()
    assert (first.tag, first.train_support, first.support, first.predicted) == ("a", 10, 3, 3)
    assert (first.precision, first.recall, first.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert first.average_precision == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert (second.precision, second.recall) == (1.0, 0.5)
    for metric in ("precision", "recall", "f1", "average_precision"):
        value, low, high = (getattr(first, metric + end) for end in ("", "_low", "_high"))
        assert 0 <= low <= value <= high <= 1
        assert low < high
    assert (never.support, never.f1, never.average_precision, never.average_precision_low) == (0, 0.0, None, None)


@pytest.mark.parametrize(
    ("support", "f1", "verdict"),
    [(4, 1.0, "unsure"), (5, 0.7, "good"), (5, 0.69, "fair"), (5, 0.5, "fair"), (5, 0.49, "weak"), (0, 0.0, "unsure")],
)
def test_verdicts(support: int, f1: float, verdict: str) -> None:
    assert dataclasses.replace(make_rows()[0], support=support, f1=f1).verdict == verdict


def test_csv_reads_back(tmp_path: Path) -> None:
    write_csv(tmp_path / "per_tag.csv", make_rows())
    with (tmp_path / "per_tag.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["tag"] for row in read] == list(TAGS)
    assert read[2]["average_precision"] == ""
    assert float(read[0]["f1"]) == make_rows()[0].f1
    assert [path.name for path in tmp_path.iterdir()] == ["per_tag.csv"]
    assert list(read[0]) == [
        *("tag", "train_support", "support", "predicted", "threshold"),
        *("precision", "precision_low", "precision_high", "recall", "recall_low", "recall_high"),
        *("f1", "f1_low", "f1_high", "average_precision", "average_precision_low", "average_precision_high"),
    ]


def test_the_folder_is_made(tmp_path: Path) -> None:
    write_csv(tmp_path / "new" / "per_tag.csv", make_rows())
    assert (tmp_path / "new" / "per_tag.csv").is_file()


def test_a_place_that_cannot_be_written_to_is_an_error_of_one_line_or_two(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunDirectoryError, match="cannot be written"):
        write_csv(tmp_path / "file" / "per_tag.csv", make_rows())


def test_arrays_about_other_tags_are_refused() -> None:
    y_NK, probs_NK = np.ones((2, 2)), np.full((2, 2), 0.5)
    intervals = bootstrap(probs_NK, y_NK, probs_NK > 0, samples=50, confidence=0.95, seed=0, at_k=[1])
    with pytest.raises(ValueError, match=r"\[2, 3\]"):
        per_tag_table(TAGS, probs_NK, y_NK, probs_NK > 0, np.full(2, 0.5), np.ones(2), intervals)
