"""Thresholds in float32 decide as they do in float64."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tagnet.export.calibrated import round_up


@given(threshold=st.floats(0, 1), probability=st.floats(0, 1, width=32))
def test_no_probability_changes_sides(threshold: float, probability: float) -> None:
    (rounded,) = round_up(np.array([threshold]))
    assert rounded.dtype == np.float32
    assert (np.float32(probability) >= rounded) == (probability >= threshold)


@given(probability=st.floats(0, 1, width=32))
def test_nor_where_it_is_just_reached_or_missed(probability: float) -> None:
    for threshold in (probability, np.nextafter(probability, 0), np.nextafter(probability, 1)):
        (rounded,) = round_up(np.array([threshold]))
        assert (np.float32(probability) >= rounded) == (probability >= threshold)
