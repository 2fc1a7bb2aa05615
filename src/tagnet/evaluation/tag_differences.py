"""How two models differ tag by tag, on the same resamples of the same records.

Legend: S resamples, N records, K tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tagnet.evaluation.average_precision import average_precisions
from tagnet.evaluation.intervals import Bounds, Draws, Estimate
from tagnet.evaluation.label_scores import count, per_tag
from tagnet.evaluation.per_tag import FEWEST_POSITIVES

Change = Literal["better", "worse", "unclear"]


@dataclass(frozen=True)
class TagDifference:
    """One tag under two models."""

    tag: str
    support: int
    """Records that bear it."""
    f1_before: float
    f1_before_low: float
    """Lower end of the first model's own interval."""
    f1: float
    f1_difference: Estimate
    ap_before: float | None
    """Average precision; None where no record bears the tag."""
    ap: float | None

    @property
    def change(self) -> Change:
        """Better or worse where the interval of the difference in F1 leaves 0 out."""
        if self.f1_difference.low > 0:
            return "better"
        return "worse" if self.f1_difference.high < 0 else "unclear"

    @property
    def dropped(self) -> bool:
        """Whether it has fallen below the first model's own interval, by a difference that the records carry.

        Both are asked for, and at least five records that bear the tag: among fifty tags of which none has changed, two
        or three leave the interval of the paired difference by chance.
        """
        return self.support >= FEWEST_POSITIVES and self.change == "worse" and self.f1 < self.f1_before_low


def tag_differences(
    tags: Sequence[str],
    y_NK: NDArray[Any],
    before: tuple[NDArray[np.floating], NDArray[np.bool_], Draws],
    after: tuple[NDArray[np.floating], NDArray[np.bool_], Draws],
    own_interval: Bounds,
    confidence: float,
) -> tuple[TagDifference, ...]:
    """One difference a tag, in the order of `tags`.

    Args:
        tags: K names.
        y_NK: 0 or 1.
        before: probabilities, decisions and draws of the first model.
        after: those of the other, drawn with the same seed.
        own_interval: the first model's interval of F1.
        confidence: coverage of the difference's interval.

    Raises:
        ValueError: the two were not drawn alike.
    """
    (probs_before_NK, accepted_before_NK, draws_before), (probs_NK, accepted_NK, draws_after) = before, after
    if draws_before.tags["f1"].shape != draws_after.tags["f1"].shape:
        raise ValueError("expected two models on the same resamples, found other numbers of resamples or tags")
    f1_before_K, f1_K = (per_tag(count(y_NK, a))["f1"][0] for a in (accepted_before_NK, accepted_NK))
    ap_before_K, ap_K = (average_precisions(p, y_NK) for p in (probs_before_NK, probs_NK))
    # A model that gives the tag to none of the drawn records that do not bear it either says nothing there; where the
    # other one does say something, it is wrong.
    both_SK = np.nan_to_num(draws_after.tags["f1"]) - np.nan_to_num(draws_before.tags["f1"])
    known_SK = ~(np.isnan(draws_after.tags["f1"]) & np.isnan(draws_before.tags["f1"]))
    tail = 50 * (1 - confidence)
    found = []
    for k, tag in enumerate(tags):
        difference = float(f1_K[k] - f1_before_K[k])
        drawn_S = both_SK[known_SK[:, k], k]
        low, high = np.percentile(drawn_S, [tail, 100 - tail]) if len(drawn_S) else (difference, difference)
        found.append(
            TagDifference(
                tag=tag,
                support=int(y_NK[:, k].sum()),
                f1_before=float(f1_before_K[k]),
                f1_before_low=float(own_interval.low_K[k]),
                f1=float(f1_K[k]),
                f1_difference=Estimate(difference, min(float(low), difference), max(float(high), difference)),
                ap_before=None if np.isnan(ap_before_K[k]) else float(ap_before_K[k]),
                ap=None if np.isnan(ap_K[k]) else float(ap_K[k]),
            )
        )
    return tuple(found)
