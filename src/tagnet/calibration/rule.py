"""The decision rule: the only place where logits become probabilities and probabilities become tags.

NumPy and the standard library only, so that serving needs nothing else. N records, K tags; a leading axis N may be
any number of axes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tagnet.errors import BundleError


@dataclass(frozen=True, eq=False)
class DecisionRule:
    """σ(scale · logit + offset) is a tag's probability; from its threshold on the tag is accepted.

    >>> rule = DecisionRule(("a", "b"), 2.0, np.array([0.0, -2.0]), np.array([0.5, 0.4]), "shared_platt", "shrunk")
    >>> probs_NK = rule.probabilities(np.array([[0.0, 0.5], [-1.0, 1.0]]))
    >>> probs_NK.round(3).tolist()
    [[0.5, 0.269], [0.119, 0.5]]
    >>> rule.accept(probs_NK).tolist()
    [[True, False], [False, True]]
    """

    tags: tuple[str, ...]
    """The label space, in the order of the columns."""
    scale: float
    """Factor of every logit, above 0, so that the order of a tag's records never changes."""
    offsets_K: NDArray[np.float64]
    """(K,) added to the scaled logits (unit: log-odds)."""
    thresholds_K: NDArray[np.float64]
    """(K,) the probability from which a tag is accepted, 0 to 1."""
    calibrator: str
    """The name of the calibrator that gave scale and offsets."""
    threshold_rule: str
    """The name of the rule that gave the thresholds."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale: expected a finite number above 0, found {self.scale}")
        for name in ("offsets_K", "thresholds_K"):
            array_K = np.array(getattr(self, name), dtype=np.float64)
            if array_K.shape != (len(self.tags),) or not np.isfinite(array_K).all():
                raise ValueError(
                    f"{name.removesuffix('_K')}: expected {len(self.tags)} finite numbers, one for each tag, "
                    f"found {array_K.tolist()}"
                )
            array_K.flags.writeable = False
            object.__setattr__(self, name, array_K)
        if ((self.thresholds_K < 0) | (self.thresholds_K > 1)).any():
            raise ValueError(f"thresholds: expected numbers from 0 to 1, found {self.thresholds_K.tolist()}")

    def probabilities(self, logits_NK: ArrayLike) -> NDArray[np.float64]:
        """Calibrated probabilities, (N, K) in float64, of logits (N, K).

        Raises:
            ValueError: the last axis is not K long.
        """
        logits = np.asarray(logits_NK, dtype=np.float64)
        self._check_columns("logits", logits)
        return probabilities_of(logits, self.scale, self.offsets_K)

    def accept(self, probs_NK: ArrayLike) -> NDArray[np.bool_]:
        """Which tags are accepted, (N, K): those whose probability is at least their threshold.

        Raises:
            ValueError: the last axis is not K long.
        """
        probs = np.asarray(probs_NK)
        self._check_columns("probabilities", probs)
        accepted: NDArray[np.bool_] = probs >= self.thresholds_K
        return accepted

    def _check_columns(self, name: str, array: NDArray[Any]) -> None:
        if array.shape[-1:] != (len(self.tags),):
            raise ValueError(f"{name}: expected {len(self.tags)} columns, one for each tag, found shape {array.shape}")

    def to_plain(self) -> dict[str, Any]:
        """Lists, numbers and text for JSON; `from_plain` gives the same rule back, bit by bit."""
        return {
            "tags": list(self.tags),
            "scale": self.scale,
            "offsets": self.offsets_K.tolist(),
            "thresholds": self.thresholds_K.tolist(),
            "calibrator": self.calibrator,
            "threshold_rule": self.threshold_rule,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> DecisionRule:
        """The inverse of `to_plain`.

        Raises:
            BundleError: a key is missing, or a value is not what it should be.

        >>> DecisionRule.from_plain({"tags": ["a"], "scale": 1.0})
        Traceback (most recent call last):
        tagnet.errors.BundleError: the decision rule is damaged: 'offsets' is missing; save the bundle anew
        """
        try:
            return cls(
                tags=tuple(str(tag) for tag in plain["tags"]),
                scale=float(plain["scale"]),
                offsets_K=np.asarray(plain["offsets"], dtype=np.float64),
                thresholds_K=np.asarray(plain["thresholds"], dtype=np.float64),
                calibrator=str(plain["calibrator"]),
                threshold_rule=str(plain["threshold_rule"]),
            )
        except KeyError as error:
            raise BundleError(f"the decision rule is damaged: {error} is missing; save the bundle anew") from error
        except (TypeError, ValueError) as error:
            raise BundleError(f"the decision rule is damaged: {error}; save the bundle anew") from error


def probabilities_of(
    logits_NK: NDArray[np.float64], scale: float, offsets_K: NDArray[np.float64]
) -> NDArray[np.float64]:
    """σ(scale · logit + offset), (N, K).

    >>> probabilities_of(np.array([[0.0, 1000.0]]), 1.0, np.zeros(2)).tolist()
    [[0.5, 1.0]]
    """
    # log(1 + e^(−x)) by logaddexp: neither e^x nor e^(−x) overflows.
    probs_NK: NDArray[np.float64] = np.exp(-np.logaddexp(0.0, -(scale * logits_NK + offsets_K)))
    return probs_NK
