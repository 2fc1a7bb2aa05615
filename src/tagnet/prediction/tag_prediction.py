"""What a tagger says: a tag with its probability, its threshold, and whether it is accepted.

Shapes: N texts, K tags.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagnet.calibration.rule import DecisionRule


@dataclass(frozen=True, slots=True)
class TagPrediction:
    """What a tagger says of one tag of one text."""

    tag: str
    probability: float
    threshold: float
    accepted: bool


def to_predictions(
    rule: DecisionRule, probs_NK: NDArray[np.floating], top: int | None = None
) -> list[list[TagPrediction]]:
    """Probabilities (N, K) as predictions, from the most to the least probable; `top` keeps that many.

    >>> rule = DecisionRule(("a", "b"), 1.0, np.zeros(2), np.array([0.5, 0.4]), "none", "fixed")
    >>> [(p.tag, p.probability, p.accepted) for p in to_predictions(rule, np.array([[0.25, 0.75]]))[0]]
    [('b', 0.75, True), ('a', 0.25, False)]
    """
    accepted_NK = rule.accept(probs_NK)
    order_NK = np.argsort(-probs_NK, axis=1, kind="stable")[:, :top]
    return [
        [
            TagPrediction(rule.tags[k], float(probs_K[k]), float(rule.thresholds_K[k]), bool(accepted_K[k]))
            for k in order
        ]
        for order, probs_K, accepted_K in zip(order_NK, probs_NK, accepted_NK, strict=True)
    ]
