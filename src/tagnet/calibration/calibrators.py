"""Calibrators: from validation logits to the scale and the offsets of a decision rule. N records, K tags.

All tags share one slope, for a tag with ten validation positives cannot carry two parameters of its own: fitted tag by
tag, Platt's method can leave the probabilities of rare tags worse than it found them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, assert_never

import numpy as np
from numpy.typing import ArrayLike

from tagnet.calibration.cells import Cells, FloatArray
from tagnet.config import CalibratorConfig, NoCalibratorConfig, SharedPlattConfig, TemperatureConfig

SMALLEST_SLOPE = 1e-3
"""The least slope for logits of unit size: a model that ranks backwards keeps its order and says its base rates."""
_SLOPE_RIDGE = 1e-6  # toward 1: only felt where the logits are constant, so that any slope fits
_MAX_STEPS = 100


def fit_calibrator(
    logits_NK: ArrayLike, y_NK: ArrayLike, config: CalibratorConfig, known_NK: ArrayLike | None = None
) -> tuple[float, FloatArray]:
    """The scale and the offsets (K,) for which σ(scale · logit + offset) fits y best.

    `shared_platt` minimises Σ BCE(a z + b + d_k) + ½ ridge Σ d_k² over a, b and d (Platt, 1999, for one curve; the
    offsets d_k let a tag's own base rate speak as far as its records outweigh `offset_ridge`). `temperature` minimises
    Σ BCE(a z) (Guo et al., ICML 2017, section 4.2). `none` is (1, 0). Both fits use Platt's targets,
    (N₊ + 1) / (N₊ + 2) and 1 / (N₋ + 2) for 1 and 0 with the cells of all tags pooled, so that separable logits do
    not send the slope to infinity. The slope stays above 0, also where the logits rank backwards.

    Args:
        logits_NK: (N, K).
        y_NK: (N, K) in [0, 1].
        config: the calibrator.
        known_NK: (N, K) bool; None: every cell is known. Unknown cells contribute nothing.

    Returns:
        scale > 0 and offsets_K (b + d_k). Without a known cell: 1 and zeros. A tag without positives gets the offset
        that the ridge leaves it, a tag without known cells gets b.

    Raises:
        ValueError: the shapes differ, or a known logit is not finite.

    >>> from tagnet.config import SharedPlattConfig
    >>> rng = np.random.default_rng(0)
    >>> true_logits_NK = rng.normal(size=(4000, 2))
    >>> y_NK = rng.random((4000, 2)) < 1 / (1 + np.exp(-true_logits_NK))
    >>> scale, offsets_K = fit_calibrator(4 * true_logits_NK + 2, y_NK, SharedPlattConfig("shared_platt", 10.0))
    >>> bool(abs(scale - 1 / 4) < 0.02), bool((np.abs(offsets_K + 2 / 4) < 0.1).all())
    (True, True)
    """
    cells = Cells.of("logits", logits_NK, y_NK, known_NK)
    num_known, squares, positives = 0, 0.0, 0.0
    for _, logits_nK, y_nK, known_nK in cells.blocks_of_records():
        if not np.isfinite(logits_nK[known_nK]).all():
            raise ValueError("logits: expected finite numbers in known cells, found NaN or infinity")
        num_known += int(known_nK.sum())
        squares += float((np.where(known_nK, logits_nK, 0.0) ** 2).sum())
        positives += float(y_nK.sum())
    if isinstance(config, NoCalibratorConfig) or not num_known:
        return 1.0, np.zeros(cells.shape[1])
    size = float(np.sqrt(squares / num_known)) or 1.0
    fitted = _Cells(cells, size, *_platt_targets(positives, num_known - positives))
    match config:
        case SharedPlattConfig():
            slope, offsets_K = _fit_platt(fitted, config.offset_ridge)
        case TemperatureConfig():
            slope, offsets_K = _fit_platt(fitted, None)
        case _:
            assert_never(config)
    return slope / size, offsets_K


@dataclass(frozen=True)
class _Cells:
    """Logits of unit size, Platt's targets and weights, a block of records at a time."""

    cells: Cells
    size: float
    low: float
    high: float

    def blocks(self) -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
        """Logits, targets, and weights that are 1 where a cell is known and 0 where not, (n, K)."""
        for _, logits_nK, y_nK, known_nK in self.cells.blocks_of_records():
            logits_nK = np.where(known_nK, logits_nK, 0.0) / self.size
            yield logits_nK, self.low + (self.high - self.low) * y_nK, known_nK.astype(np.float64)


def _platt_targets(positives: float, negatives: float) -> tuple[float, float]:
    """What stands for 0 and for 1."""
    return 1 / (negatives + 2), (positives + 1) / (positives + 2)


def _fit_platt(cells: _Cells, ridge: float | None) -> tuple[float, FloatArray]:
    """Slope of the logits of unit size, and offsets; ridge None: the offsets are held at 0."""
    slope, shared, own_K = _newton(cells, ridge, start=1.0, free_slope=True)
    if slope < SMALLEST_SLOPE:
        # The objective is convex, so a slope that wants to be lower is best at its bound.
        slope, shared, own_K = _newton(cells, ridge, start=SMALLEST_SLOPE, free_slope=False)
    return slope, shared + own_K


def _newton(cells: _Cells, ridge: float | None, *, start: float, free_slope: bool) -> tuple[float, float, FloatArray]:
    """Damped Newton over (a, b, d): the block of d is diagonal, so a step costs one pass over the cells and a 2 × 2."""
    slope, shared, own_K = start, 0.0, np.zeros(cells.cells.shape[1])
    sums = _sums(cells, slope, shared, own_K, ridge)
    for _ in range(_MAX_STEPS):
        step_a, step_b, step_K, decrement = _newton_step(sums, own_K, ridge, free_slope)
        if decrement <= 1e-12 * max(1.0, abs(sums.value)):
            break
        share = 1.0
        while share > 1e-12:
            trial = slope + share * step_a, shared + share * step_b, own_K + share * step_K
            trial_sums = _sums(cells, *trial, ridge)
            if trial_sums.value <= sums.value - 1e-4 * share * decrement:
                break
            share /= 2
        else:
            break  # rounding leaves nothing to gain
        (slope, shared, own_K), sums = trial, trial_sums
    return slope, shared, own_K


class _Sums(NamedTuple):
    """The objective and what a step needs, of one pass over the cells; z is the logit, a the slope."""

    value: float
    gradient_a: float
    hessian_aa: float
    gradient_K: FloatArray
    curvature_K: FloatArray
    mixed_K: FloatArray


def _sums(cells: _Cells, slope: float, shared: float, own_K: FloatArray, ridge: float | None) -> _Sums:
    bce = gradient_a = hessian_aa = 0.0
    gradient_K, curvature_K, mixed_K = (np.zeros_like(own_K) for _ in range(3))
    for z_nK, y_nK, weights_nK in cells.blocks():
        x_nK = slope * z_nK + shared + own_K
        # BCE of target t at log-odds x is log(1 + e^x) − t x.
        bce += float((weights_nK * (np.logaddexp(0.0, x_nK) - y_nK * x_nK)).sum())
        p_nK = np.exp(-np.logaddexp(0.0, -x_nK))
        residual_nK = weights_nK * (p_nK - y_nK)
        curvature_nK = weights_nK * p_nK * (1 - p_nK)
        gradient_a += float((residual_nK * z_nK).sum())
        hessian_aa += float((curvature_nK * z_nK**2).sum())
        gradient_K += residual_nK.sum(0)
        curvature_K += curvature_nK.sum(0)
        mixed_K += (curvature_nK * z_nK).sum(0)
    return _Sums(
        value=bce + 0.5 * (ridge or 0.0) * float(own_K @ own_K) + 0.5 * _SLOPE_RIDGE * (slope - 1) ** 2,
        gradient_a=gradient_a + _SLOPE_RIDGE * (slope - 1),
        hessian_aa=hessian_aa + _SLOPE_RIDGE,
        gradient_K=gradient_K,
        curvature_K=curvature_K,
        mixed_K=mixed_K,
    )


def _newton_step(
    sums: _Sums, own_K: FloatArray, ridge: float | None, free_slope: bool
) -> tuple[float, float, FloatArray, float]:
    """The step in a, b and d, and the decrement gᵀH⁻¹g: about twice what is left to gain."""
    _, gradient_a, hessian_aa, gradient_K, curvature_K, mixed_K = sums
    if ridge is None:
        step = -gradient_a / hessian_aa if free_slope else 0.0
        return step, 0.0, np.zeros_like(own_K), -gradient_a * step
    gradient_d_K = gradient_K + ridge * own_K
    diagonal_K = curvature_K + ridge
    # Eliminate d (Schur complement): what is left is a 2 × 2 system in a and b.
    border_2K = np.stack([mixed_K, curvature_K])
    gradient_2 = np.array([gradient_a, gradient_K.sum()])
    hessian_22 = np.array([[hessian_aa, mixed_K.sum()], [mixed_K.sum(), curvature_K.sum()]])
    schur_22 = hessian_22 - (border_2K / diagonal_K) @ border_2K.T
    right_2 = gradient_2 - (border_2K / diagonal_K) @ gradient_d_K
    # Saturated or constant logits make it singular; a hair on the diagonal holds the flat direction still.
    schur_22[np.diag_indices(2)] += 1e-12 * (1 + np.trace(hessian_22))
    if free_slope:
        step_a, step_b = (float(step) for step in -np.linalg.solve(schur_22, right_2))
    else:
        step_a, step_b = 0.0, float(-right_2[1] / schur_22[1, 1])
    step_K = -(gradient_d_K + mixed_K * step_a + curvature_K * step_b) / diagonal_K
    decrement = -float(gradient_2 @ np.array([step_a, step_b]) + gradient_d_K @ step_K)
    return step_a, step_b, step_K, decrement
