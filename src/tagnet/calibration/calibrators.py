"""Calibrators: from validation logits to the scale and the offsets of a decision rule. N records, K tags.

All tags share one slope, for a tag with ten validation positives cannot carry two parameters of its own: fitted tag by
tag, Platt's method can leave the probabilities of rare tags worse than it found them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tagnet.config import CalibratorConfig, NoCalibratorConfig, SharedPlattConfig, TemperatureConfig

FloatArray = NDArray[np.float64]

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
    logits = np.asarray(logits_NK, dtype=np.float64)
    y = np.asarray(y_NK, dtype=np.float64)
    known = np.ones(logits.shape, dtype=bool) if known_NK is None else np.asarray(known_NK, dtype=bool)
    if logits.ndim != 2 or not logits.shape == y.shape == known.shape:
        raise ValueError(
            f"expected logits, y and known of one shape (N, K), found {logits.shape}, {y.shape}, {known.shape}"
        )
    if not np.isfinite(logits[known]).all():
        raise ValueError("logits: expected finite numbers in known cells, found NaN or infinity")
    unfitted = 1.0, np.zeros(logits.shape[1])
    if isinstance(config, NoCalibratorConfig) or not known.any():
        return unfitted
    logits, y = np.where(known, logits, 0.0), np.where(known, y, 0.0)
    size = float(np.sqrt((logits**2).sum() / known.sum())) or 1.0
    cells = _Cells(logits / size, _platt_targets(y, known), known.astype(np.float64))
    match config:
        case SharedPlattConfig():
            slope, offsets_K = _fit_platt(cells, config.offset_ridge)
        case TemperatureConfig():
            slope, offsets_K = _fit_platt(cells, None)
        case _:
            assert_never(config)
    return slope / size, offsets_K


@dataclass(frozen=True)
class _Cells:
    logits_NK: FloatArray
    y_NK: FloatArray
    weights_NK: FloatArray


def _platt_targets(y_NK: FloatArray, known_NK: NDArray[np.bool_]) -> FloatArray:
    positives = float(y_NK.sum())
    negatives = float(known_NK.sum()) - positives
    high, low = (positives + 1) / (positives + 2), 1 / (negatives + 2)
    targets_NK: FloatArray = low + (high - low) * y_NK
    return targets_NK


def _fit_platt(cells: _Cells, ridge: float | None) -> tuple[float, FloatArray]:
    """Slope of the logits of unit size, and offsets; ridge None: the offsets are held at 0."""
    slope, shared, own_K = _newton(cells, ridge, start=1.0, free_slope=True)
    if slope < SMALLEST_SLOPE:
        # The objective is convex, so a slope that wants to be lower is best at its bound.
        slope, shared, own_K = _newton(cells, ridge, start=SMALLEST_SLOPE, free_slope=False)
    return slope, shared + own_K


def _newton(cells: _Cells, ridge: float | None, *, start: float, free_slope: bool) -> tuple[float, float, FloatArray]:
    """Damped Newton over (a, b, d): the block of d is diagonal, so a step costs two sums over the cells and a 2 × 2."""
    slope, shared, own_K = start, 0.0, np.zeros(cells.logits_NK.shape[1])
    value = _objective(cells, slope, shared, own_K, ridge)
    for _ in range(_MAX_STEPS):
        step_a, step_b, step_K, decrement = _newton_step(cells, slope, shared, own_K, ridge, free_slope)
        if decrement <= 1e-12 * max(1.0, abs(value)):
            break
        share = 1.0
        while share > 1e-12:
            trial = slope + share * step_a, shared + share * step_b, own_K + share * step_K
            trial_value = _objective(cells, *trial, ridge)
            if trial_value <= value - 1e-4 * share * decrement:
                break
            share /= 2
        else:
            break  # rounding leaves nothing to gain
        (slope, shared, own_K), value = trial, trial_value
    return slope, shared, own_K


def _objective(cells: _Cells, slope: float, shared: float, own_K: FloatArray, ridge: float | None) -> float:
    x_NK = slope * cells.logits_NK + shared + own_K
    # BCE of target t at log-odds x is log(1 + e^x) − t x.
    bce = float((cells.weights_NK * (np.logaddexp(0.0, x_NK) - cells.y_NK * x_NK)).sum())
    return bce + 0.5 * (ridge or 0.0) * float(own_K @ own_K) + 0.5 * _SLOPE_RIDGE * (slope - 1) ** 2


def _newton_step(
    cells: _Cells,
    slope: float,
    shared: float,
    own_K: FloatArray,
    ridge: float | None,
    free_slope: bool,
) -> tuple[float, float, FloatArray, float]:
    """The step in a, b and d, and the decrement gᵀH⁻¹g: about twice what is left to gain."""
    z_NK = cells.logits_NK
    p_NK = np.exp(-np.logaddexp(0.0, -(slope * z_NK + shared + own_K)))
    residual_NK = cells.weights_NK * (p_NK - cells.y_NK)
    curvature_NK = cells.weights_NK * p_NK * (1 - p_NK)
    gradient_a = float((residual_NK * z_NK).sum()) + _SLOPE_RIDGE * (slope - 1)
    hessian_aa = float((curvature_NK * z_NK**2).sum()) + _SLOPE_RIDGE
    no_step_K = np.zeros_like(own_K)
    if ridge is None:
        step = -gradient_a / hessian_aa if free_slope else 0.0
        return step, 0.0, no_step_K, -gradient_a * step
    gradient_K, curvature_K = residual_NK.sum(0), curvature_NK.sum(0)
    mixed_K = (curvature_NK * z_NK).sum(0)
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
