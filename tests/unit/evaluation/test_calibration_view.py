"""Calibration before and after, for common tags and rare ones."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tagnet.evaluation.calibration_view import support_bands
from tagnet.evaluation.metrics import overall_metrics
from tagnet.evaluation.plots import reliability_by_support

COUNTS_K = np.array([5, 30, 100, 400, 19, 20])
TAGS = tuple("abcdef")


@pytest.fixture
def arrays() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]:
    """Probabilities that are too small, calibrated ones, and labels drawn from those."""
    rng = np.random.default_rng(0)
    probs_NK = rng.beta(1, 3, size=(500, len(TAGS)))
    return probs_NK**2, probs_NK, (rng.random(probs_NK.shape) < probs_NK).astype(np.uint8)


def test_all_tags_together_have_the_run_s_own_metrics(
    arrays: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]],
) -> None:
    before_NK, probs_NK, y_NK = arrays
    first = support_bands(*arrays, COUNTS_K, TAGS)[0]
    for probs, ece, brier in ((before_NK, first.ece_before, first.brier_before), (probs_NK, first.ece, first.brier)):
        expected = overall_metrics(probs, y_NK, probs >= 0.5, at_k=[1])
        assert (ece, brier) == pytest.approx((expected["ece"], expected["brier"]))
    assert first.ece < first.ece_before
    assert first.num_positive == y_NK.sum()


def test_every_tag_is_in_one_band(arrays: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]) -> None:
    _, *bands = support_bands(*arrays, COUNTS_K, TAGS)
    assert [(band.name, band.tags) for band in bands] == [
        ("below 20", ("a", "e")),
        ("20 to 49", ("b", "f")),
        ("50 to 199", ("c",)),
        ("200 and more", ("d",)),
    ]
    assert sum(band.num_positive for band in bands) == arrays[2].sum()


def test_one_band_alone_says_what_all_tags_say(
    arrays: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]],
) -> None:
    assert [band.name for band in support_bands(*arrays, np.full(6, 30), TAGS)] == ["all tags"]


def test_the_plot_has_a_line_for_each_band(
    arrays: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]],
) -> None:
    drawn = reliability_by_support(support_bands(*arrays, COUNTS_K, TAGS))
    for name in ("below 20", "20 to 49", "50 to 199", "200 and more"):
        assert name in drawn
    assert "all tags" not in drawn
