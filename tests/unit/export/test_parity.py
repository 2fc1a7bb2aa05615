"""The gates by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tagnet.errors import ExportError
from tagnet.export.parity import F1Change, compare, f1_change, require_f1, require_parity

TAGS = ("a", "b")
THRESHOLDS_K = np.array([0.5, 0.25])
EXPECTED_NK = np.array([[0.2, 0.5], [0.5 + 5e-7, 0.1]])
ACCEPTED_NK = np.array([[False, True], [True, False]])


def test_the_same_is_let_through() -> None:
    parity = compare(TAGS, THRESHOLDS_K, EXPECTED_NK, EXPECTED_NK + 9e-5, ACCEPTED_NK)
    assert (parity.num_texts, parity.differing, parity.ties) == (2, 0, 0)
    assert parity.largest == pytest.approx(9e-5)
    require_parity(parity, "onnx")


def test_a_tie_may_fall_either_way() -> None:
    accepted_NK = ACCEPTED_NK.copy()
    accepted_NK[1, 0] = False
    parity = compare(TAGS, THRESHOLDS_K, EXPECTED_NK, EXPECTED_NK, accepted_NK)
    assert (parity.differing, parity.ties) == (0, 1)
    require_parity(parity, "onnx")


def test_another_decision_is_refused_however_near_the_probabilities() -> None:
    parity = compare(TAGS, THRESHOLDS_K, EXPECTED_NK, EXPECTED_NK, ~ACCEPTED_NK)
    assert (parity.differing, parity.ties) == (3, 1)
    with pytest.raises(ExportError, match=r"4 decisions differ, 1 of them at ties"):
        require_parity(parity, "onnx")


@pytest.mark.parametrize("value", [0.5 + 2e-4, np.nan, np.inf])
def test_another_probability_is_refused_with_its_place(value: float) -> None:
    found_NK = EXPECTED_NK.copy()
    found_NK[0, 1] = value
    parity = compare(TAGS, THRESHOLDS_K, EXPECTED_NK, found_NK, ACCEPTED_NK)
    with pytest.raises(
        ExportError, match=r"--to onnx: .* 2 texts: .* most at tag 'b' of text 1; expected at most 1e-04"
    ):
        require_parity(parity, "onnx")


def test_what_quantization_costs() -> None:
    y_NK = np.array([[1, 0], [1, 1]])
    change = f1_change(y_NK, y_NK.astype(bool), np.array([[True, False], [False, True]]))
    assert change.macro == pytest.approx((1, (2 / 3 + 1) / 2))
    assert change.micro == pytest.approx((1, 0.8))
    with pytest.raises(ExportError, match=r"2 records: macro F1 1\.0000 → 0\.8333, micro F1 1\.0000 → 0\.8000"):
        require_f1(change, "onnx-int8")


@pytest.mark.parametrize(
    ("macro", "micro", "refused"),
    [
        ((0.7, 0.6951), (0.8, 0.7951), False),
        ((0.7, 0.69), (0.8, 0.9), True),
        ((0.7, 0.9), (0.8, 0.79), True),
        ((0.5, 0.6), (0.5, 0.6), False),
    ],
)
def test_either_f1_is_enough_to_refuse(macro: tuple[float, float], micro: tuple[float, float], refused: bool) -> None:
    change = F1Change(10, macro, micro)
    if refused:
        with pytest.raises(ExportError, match=r"more than 0\.005"):
            require_f1(change, "onnx-int8")
    else:
        require_f1(change, "onnx-int8")
