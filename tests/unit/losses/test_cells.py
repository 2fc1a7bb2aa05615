from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tagnet.losses.cells import focal_term, mean_over_known, prepare


def test_cells_are_at_least_float32_and_float64_stays() -> None:
    for dtype, expected in ((torch.bfloat16, torch.float32), (torch.float64, torch.float64)):
        z_BK, y_BK, known_BK = prepare(torch.zeros(2, 3, dtype=dtype), torch.zeros(2, 3, dtype=torch.uint8), None)
        assert (z_BK.dtype, y_BK.dtype, known_BK.dtype) == (expected, expected, torch.bool)
        assert known_BK.all()


def test_a_mask_of_numbers_is_a_mask() -> None:
    z_BK, y_BK, known_BK = prepare(torch.ones(1, 2), torch.ones(1, 2), torch.tensor([[1, 0]]))
    assert z_BK.tolist() == y_BK.tolist() == [[1.0, 0.0]]
    assert known_BK.tolist() == [[True, False]]


def test_the_mean_counts_known_cells_only() -> None:
    cells_BK, known_BK = torch.tensor([[2.0, 4.0], [torch.nan, 6.0]]), torch.tensor([[True, False], [False, True]])
    assert mean_over_known(cells_BK, known_BK) == 4
    assert mean_over_known(cells_BK, torch.zeros_like(known_BK)) == 0


@given(z=st.floats(-30, 30), gamma=st.sampled_from([0.0, 0.3, 1.0, 2.0, 5.0]))
def test_focal_term_is_its_formula(z: float, gamma: float) -> None:
    p, complement = 1 / (1 + math.exp(-z)), 1 / (1 + math.exp(z))
    found = focal_term(torch.tensor(z, dtype=torch.float64), gamma).item()
    assert found == pytest.approx(-(complement**gamma) * math.log(p), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 2.0])
def test_focal_term_keeps_a_finite_slope_where_the_power_has_none(gamma: float) -> None:
    z = torch.tensor([1e4, 200.0, -200.0, -1e4], requires_grad=True)
    (grad,) = torch.autograd.grad(focal_term(z, gamma).sum(), z)
    assert torch.isfinite(grad).all()
    assert grad[3] == pytest.approx(-1.0)
