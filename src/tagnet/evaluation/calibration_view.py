"""What calibration changed, for common tags and for rare ones.

Legend: N records, K tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagnet.evaluation.record_scores import NUM_BINS, calibration_error

Floats = NDArray[np.float64]

BAND_STARTS = (0, 20, 50, 200)
"""Tags are put together by how many training records bear them: from so many on, up to the next."""


@dataclass(frozen=True, eq=False)
class SupportBand:
    """Tags that about as many training records bear, on the records that judge."""

    name: str
    tags: tuple[str, ...]
    num_positive: int
    """(record, tag) pairs that are right."""
    ece_before: float
    """Expected calibration error of the bare network's probabilities σ(logit)."""
    ece: float
    """The same after calibration."""
    brier_before: float
    brier: float
    mean_B: Floats
    """Mean calibrated probability in each filled bin."""
    share_B: Floats
    """Share that is right there."""


def support_bands(
    uncalibrated_NK: NDArray[np.floating],
    probs_NK: NDArray[np.floating],
    y_NK: NDArray[Any],
    train_counts_K: NDArray[Any],
    tags: Sequence[str],
) -> tuple[SupportBand, ...]:
    """All tags together, then each band that has tags, from the rarest on.

    Args:
        uncalibrated_NK: σ(logit).
        probs_NK: calibrated probabilities.
        y_NK: 0 or 1.
        train_counts_K: training records that bear each tag.
        tags: K names.

    >>> y = np.array([[1, 0], [0, 1]])
    >>> [(b.name, b.brier) for b in support_bands(y * 0.5, y * 1.0, y, np.array([10, 300]), ["a", "b"])]
    [('all tags', 0.0), ('below 20', 0.0), ('200 and more', 0.0)]
    """
    counts_K = np.asarray(train_counts_K)
    bands = [_band("all tags", np.arange(len(tags)), uncalibrated_NK, probs_NK, y_NK, tags)]
    for start, end in zip(BAND_STARTS, (*BAND_STARTS[1:], None), strict=True):
        inside_K = (counts_K >= start) & (counts_K < (np.inf if end is None else end))
        if inside_K.any() and not inside_K.all():
            name = f"{start} and more" if end is None else f"below {end}" if start == 0 else f"{start} to {end - 1}"
            bands.append(_band(name, np.flatnonzero(inside_K), uncalibrated_NK, probs_NK, y_NK, tags))
    return tuple(bands)


def _band(
    name: str,
    columns: NDArray[np.int64],
    uncalibrated_NK: NDArray[np.floating],
    probs_NK: NDArray[np.floating],
    y_NK: NDArray[Any],
    tags: Sequence[str],
) -> SupportBand:
    y = (y_NK[:, columns] > 0).ravel().astype(np.float64)
    before, after = (p[:, columns].ravel().astype(np.float64) for p in (uncalibrated_NK, probs_NK))
    bins = _bins(after)
    counts = np.bincount(bins, minlength=NUM_BINS)
    filled = counts > 0
    return SupportBand(
        name=name,
        tags=tuple(tags[k] for k in columns),
        num_positive=int(y.sum()),
        ece_before=_ece(before, y),
        ece=_ece(after, y),
        brier_before=float(((before - y) ** 2).mean()),
        brier=float(((after - y) ** 2).mean()),
        mean_B=np.bincount(bins, after, NUM_BINS)[filled] / counts[filled],
        share_B=np.bincount(bins, y, NUM_BINS)[filled] / counts[filled],
    )


def _ece(probs: Floats, y: Floats) -> float:
    residuals_1B = np.bincount(_bins(probs), probs - y, NUM_BINS)[None].astype(np.float64)
    return float(calibration_error(residuals_1B, np.array([float(len(y))]))[0])


def _bins(probs: Floats) -> NDArray[np.int64]:
    bins: NDArray[np.int64] = np.minimum((probs * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    return bins
