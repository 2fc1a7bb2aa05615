"""Two models tag by tag: what is called better, worse and dropped."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tagnet.evaluation.intervals import Draws, bootstrap, draws
from tagnet.evaluation.tag_differences import TagDifference, tag_differences

N, TAGS = 200, ("kept", "lost", "gained", "rare", "absent")


def labels() -> NDArray[np.uint8]:
    y_NK = np.zeros((N, len(TAGS)), dtype=np.uint8)
    y_NK[:60, 0] = y_NK[:60, 1] = y_NK[:60, 2] = 1
    y_NK[:3, 3] = 1
    return y_NK


def model(found: list[int]) -> NDArray[np.float64]:
    """Probabilities that find so many of each tag's records, and nothing else."""
    probs_NK = np.full((N, len(TAGS)), 0.1)
    for k, number in enumerate(found):
        probs_NK[:number, k] = 0.9
    return probs_NK


def compared(before: list[int], after: list[int], samples: int = 400) -> dict[str, TagDifference]:
    y_NK, first, other = labels(), model(before), model(after)

    def of(probs_NK: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_], Draws]:
        accepted_NK = probs_NK >= 0.5
        return probs_NK, accepted_NK, draws(probs_NK, y_NK, accepted_NK, samples=samples, seed=0, at_k=(1,))

    own = bootstrap(first, y_NK, first >= 0.5, samples=samples, confidence=0.95, seed=0, at_k=(1,)).tags["f1"]
    return {each.tag: each for each in tag_differences(TAGS, y_NK, of(first), of(other), own, 0.95)}


def test_what_changed_is_told_from_what_did_not() -> None:
    found = compared([50, 55, 20, 3, 0], [50, 20, 55, 0, 0])
    assert {tag: each.change for tag, each in found.items()} == {
        "kept": "unclear", "lost": "worse", "gained": "better", "rare": "worse", "absent": "unclear",
    }  # fmt: skip
    assert found["kept"].f1_difference.value == found["kept"].f1_difference.low == found["kept"].f1_difference.high == 0
    assert found["lost"].f1_difference.value == pytest.approx(2 * 20 / 80 - 2 * 55 / 115)
    assert found["absent"].ap is None


def test_only_a_fall_below_its_own_interval_is_a_drop() -> None:
    found = compared([50, 55, 20, 3, 0], [48, 20, 55, 0, 0])
    # Two records fewer are a real difference on the same records, and within what F1 was known to.
    assert found["kept"].f1 >= found["kept"].f1_before_low
    # Three records are too few to say that a tag has dropped.
    assert [tag for tag, each in found.items() if each.dropped] == ["lost"]


def test_a_model_against_itself_changes_nothing() -> None:
    found = compared([50, 55, 20, 3, 0], [50, 55, 20, 3, 0])
    assert all(each.change == "unclear" and not each.dropped for each in found.values())


def test_other_resamples_are_refused() -> None:
    y_NK, probs_NK = labels(), model([50, 55, 20, 3, 0])
    few, many = (draws(probs_NK, y_NK, probs_NK >= 0.5, samples=n, seed=0, at_k=(1,)) for n in (10, 20))
    own = bootstrap(probs_NK, y_NK, probs_NK >= 0.5, samples=10, confidence=0.95, seed=0, at_k=(1,)).tags["f1"]
    with pytest.raises(ValueError, match="same resamples"):
        tag_differences(TAGS, y_NK, (probs_NK, probs_NK >= 0.5, few), (probs_NK, probs_NK >= 0.5, many), own, 0.95)
