"""The gates of an export: the same probabilities and decisions as the bundle, or F1 that quantization has not cost.

Shapes: N texts, K tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagnet.errors import ExportError
from tagnet.evaluation.label_scores import averaged, count

TOLERANCE = 1e-4
"""The most that a probability may differ from the bundle's."""
TIE = 1e-6
"""A decision may differ where the bundle's probability is no further than this from its threshold."""
MOST_F1_LOST = 0.005
"""The most that macro and micro F1 may fall by."""


@dataclass(frozen=True)
class Parity:
    """How far an export is from its bundle."""

    num_texts: int
    largest: float
    """The largest difference of two probabilities."""
    where: str
    """The tag and the text (from 1) at which it is."""
    differing: int
    """Decisions that differ, ties aside."""
    ties: int
    """Decisions that differ at a tie."""

    def __str__(self) -> str:
        ties = f", {self.ties} of them at ties" if self.ties else ""
        return (
            f"{self.num_texts} texts: probabilities differ by at most {self.largest:.1e}, "
            f"{self.differing + self.ties or 'no'} decisions differ{ties}"
        )


@dataclass(frozen=True)
class F1Change:
    """What an export costs on labelled records."""

    num_records: int
    macro: tuple[float, float]
    """Before and after."""
    micro: tuple[float, float]
    """Before and after."""

    @property
    def most_lost(self) -> float:
        """The larger of the two falls."""
        return max(before - after for before, after in (self.macro, self.micro))

    def __str__(self) -> str:
        return (
            f"{self.num_records} records: macro F1 {self.macro[0]:.4f} → {self.macro[1]:.4f}, "
            f"micro F1 {self.micro[0]:.4f} → {self.micro[1]:.4f}"
        )


def compare(
    tags: Sequence[str],
    thresholds_K: NDArray[np.float64],
    expected_NK: NDArray[np.float64],
    found_NK: NDArray[np.float64],
    accepted_NK: NDArray[np.bool_],
) -> Parity:
    """Hold an export's probabilities and decisions against the bundle's.

    >>> expected = np.array([[0.2, 0.5]])
    >>> print(compare(["a", "b"], np.array([0.5, 0.5]), expected, expected - 1e-7, np.array([[False, False]])))
    1 texts: probabilities differ by at most 1.0e-07, 1 decisions differ, 1 of them at ties
    """
    # What is not a number is as far away as can be.
    difference_NK = np.nan_to_num(np.abs(found_NK - expected_NK), nan=np.inf)
    differs_NK = accepted_NK != (expected_NK >= thresholds_K)
    tie_NK = np.abs(expected_NK - thresholds_K) <= TIE
    text, column = np.unravel_index(difference_NK.argmax(), difference_NK.shape)
    return Parity(
        num_texts=len(expected_NK),
        largest=float(difference_NK.max()),
        where=f"tag {tags[int(column)]!r} of text {int(text) + 1}",
        differing=int((differs_NK & ~tie_NK).sum()),
        ties=int((differs_NK & tie_NK).sum()),
    )


def f1_change(y_NK: NDArray[Any], before_NK: NDArray[np.bool_], after_NK: NDArray[np.bool_]) -> F1Change:
    """What decisions are worth on labelled records, before and after."""
    before, after = averaged(count(y_NK, before_NK)), averaged(count(y_NK, after_NK))
    macro, micro = ((float(before[name][0]), float(after[name][0])) for name in ("f1_macro", "f1_micro"))
    return F1Change(len(y_NK), macro, micro)


def require_parity(parity: Parity, name: str) -> None:
    """Refuse an export that is not the bundle.

    Raises:
        ExportError: with the figures.
    """
    if parity.largest <= TOLERANCE and not parity.differing:
        return
    raise ExportError(
        f"--to {name}: the export is not as the bundle on {parity}, most at {parity.where}; expected at most "
        f"{TOLERANCE:.0e} and no decision that differs.\n"
        "Nothing was written. Other versions of the libraries may help; so may another format."
    )


def require_f1(change: F1Change, name: str) -> None:
    """Refuse a quantized model that costs too much.

    Raises:
        ExportError: with the figures.
    """
    if change.most_lost <= MOST_F1_LOST:
        return
    raise ExportError(
        f"--to {name}: quantization costs too much on {change}; expected neither to fall by more than "
        f"{MOST_F1_LOST}.\nNothing was written. Use --to onnx, whose weights are exact."
    )
