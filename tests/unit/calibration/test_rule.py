from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from tagnet.calibration.rule import DecisionRule
from tagnet.errors import BundleError


def rule(**changes: Any) -> DecisionRule:
    values: dict[str, Any] = {
        "tags": ("a", "b", "c"),
        "scale": 0.7,
        "offsets_K": np.array([0.1, -2.0, 1 / 3]),
        "thresholds_K": np.array([0.5, 0.25, 1.0]),
        "calibrator": "shared_platt",
        "threshold_rule": "shrunk",
    }
    return DecisionRule(**(values | changes))


def test_probabilities_are_the_sigmoid_of_scaled_and_shifted_logits() -> None:
    logits_NK = np.random.default_rng(0).normal(scale=5, size=(4, 3)).astype(np.float32)
    probs_NK = rule().probabilities(logits_NK)
    assert probs_NK.dtype == np.float64
    np.testing.assert_allclose(probs_NK, expit(0.7 * logits_NK.astype(np.float64) + rule().offsets_K), rtol=1e-12)


def test_extreme_logits_are_certain_and_quiet() -> None:
    probs_NK = rule().probabilities([[1e4, -1e4, np.inf], [-np.inf, 1e300, 0.0]])
    assert probs_NK[0].tolist() == [1, 0, 1]
    assert probs_NK[1, :2].tolist() == [0, 1]


def test_a_tag_is_accepted_from_its_threshold_on() -> None:
    below = np.nextafter(rule().thresholds_K, 0)
    assert rule().accept([rule().thresholds_K, below]).tolist() == [[True] * 3, [False] * 3]


def test_any_number_of_leading_axes() -> None:
    decided = rule()
    logits = np.zeros((2, 4, 3))
    assert decided.accept(decided.probabilities(logits)).shape == (2, 4, 3)
    assert decided.probabilities(logits[0, 0]).shape == (3,)


@pytest.mark.parametrize("shape", [(3, 1), (3, 4), (4,), ()])
def test_other_columns_than_tags_are_refused_and_never_broadcast(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="logits: expected 3 columns"):
        rule().probabilities(np.zeros(shape))
    with pytest.raises(ValueError, match="probabilities: expected 3 columns"):
        rule().accept(np.zeros(shape))


@given(
    scale=st.floats(1e-6, 1e6),
    offsets=st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3),
    thresholds=st.lists(st.floats(0, 1), min_size=3, max_size=3),
)
def test_json_gives_the_same_rule_bit_by_bit(scale: float, offsets: list[float], thresholds: list[float]) -> None:
    before = rule(scale=scale, offsets_K=np.array(offsets), thresholds_K=np.array(thresholds))
    after = DecisionRule.from_plain(json.loads(json.dumps(before.to_plain(), allow_nan=False)))
    assert after.to_plain() == before.to_plain()
    logits_NK = np.random.default_rng(0).normal(size=(5, 3))
    assert (after.probabilities(logits_NK) == before.probabilities(logits_NK)).all()


def test_tags_are_opaque() -> None:
    tags = ("arxiv:2005.10872 ", "Ünïcode", "")
    assert DecisionRule.from_plain(json.loads(json.dumps(rule(tags=tags).to_plain()))).tags == tags


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": 0.0}, "scale: expected a finite number above 0, found 0.0"),
        ({"scale": float("nan")}, "scale"),
        ({"offsets_K": np.zeros(2)}, "offsets: expected 3 finite numbers"),
        ({"offsets_K": np.array([0, np.inf, 0])}, "offsets"),
        ({"thresholds_K": np.array([0.1, 0.2, 1.1])}, "thresholds: expected numbers from 0 to 1"),
        ({"thresholds_K": np.array([0.1, np.nan, 0.1])}, "thresholds"),
    ],
)
def test_a_rule_that_cannot_decide_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rule(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": "big"}, "could not convert"),
        ({"scale": -1}, "scale: expected a finite number above 0"),
        ({"thresholds": [0.5]}, "thresholds: expected 3 finite numbers"),
        ({"offsets": None}, "offsets"),
    ],
)
def test_a_damaged_file_is_a_bundle_error(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        DecisionRule.from_plain(rule().to_plain() | changes)


@pytest.mark.parametrize("key", ["tags", "scale", "offsets", "thresholds", "calibrator", "threshold_rule"])
def test_a_missing_key_is_named(key: str) -> None:
    plain = rule().to_plain()
    del plain[key]
    with pytest.raises(BundleError, match=f"'{key}' is missing"):
        DecisionRule.from_plain(plain)


def test_its_arrays_are_its_own_and_cannot_be_written() -> None:
    offsets_K = np.zeros(3)
    made = rule(offsets_K=offsets_K)
    offsets_K[0] = 9
    assert made.offsets_K[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        made.thresholds_K[0] = 0.1


def test_it_needs_neither_torch_nor_scipy(repository: Path) -> None:
    code = (
        "import sys, tagnet.calibration.rule; "
        "sys.exit(bool({'torch', 'scipy', 'sklearn', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(repository / "src")}, check=False)
    assert done.returncode == 0
