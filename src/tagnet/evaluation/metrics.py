"""The overall metrics of a set of predictions, as one flat dictionary of finite numbers.

Legend: N records, K tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagnet.evaluation.average_precision import average_precisions
from tagnet.evaluation.label_scores import averaged, count
from tagnet.evaluation.record_scores import calibration_error, record_scores

HEADLINE_KEYS = ("f1_micro", "f1_macro", "f1_weighted", "map", "ece")
"""What every report and every `metrics.json` opens with."""
LOWER_IS_BETTER = frozenset({"ece", "brier", "log_loss", "hamming_loss"})


def overall_metrics(
    probs_NK: NDArray[np.floating], y_NK: NDArray[Any], accepted_NK: NDArray[np.bool_], at_k: Sequence[int]
) -> dict[str, float]:
    """Measure calibrated probabilities and the tags that were accepted from them.

    Args:
        probs_NK: probabilities in [0, 1], never logits.
        y_NK: 0 or 1.
        accepted_NK: the decisions.
        at_k: the k of precision and recall at k.

    Returns:
        `f1_`, `precision_`, `recall_` each `micro`, `macro`, `weighted` (a tag without denominator counts 0);
        `map` (mean over the tags with a positive of their average precision); `map_micro` (all cells pooled);
        `precision_at_{k}`, `recall_at_{k}`, `ndcg`, `lrap`, `subset_accuracy`, `hamming_loss`, `brier`, `log_loss`,
        `ece`: see `record_scores`. Every value is finite; what nothing can be said about is 0.

    Raises:
        ValueError: shapes differ, there is no record or tag, or a probability is not in [0, 1].

    >>> y = np.array([[1, 0], [0, 1], [1, 1]])
    >>> probs = np.array([[0.9, 0.2], [0.4, 0.7], [0.8, 0.1]])
    >>> scores = overall_metrics(probs, y, probs >= 0.5, at_k=[1])
    >>> round(scores["f1_micro"], 3), round(scores["map"], 3), scores["precision_at_1"]
    (0.857, 0.917, 1.0)
    """
    check_predictions(probs_NK, y_NK, accepted_NK)
    scores = {name: float(value_S[0]) for name, value_S in averaged(count(y_NK, accepted_NK)).items()}
    by_tag_K = average_precisions(probs_NK, y_NK)
    known_K = ~np.isnan(by_tag_K)
    scores["map"] = float(by_tag_K[known_K].mean()) if known_K.any() else 0.0
    pooled_1 = average_precisions(probs_NK.reshape(-1, 1), y_NK.reshape(-1, 1))
    scores["map_micro"] = float(pooled_1[0]) if known_K.any() else 0.0
    records = record_scores(probs_NK, y_NK, accepted_NK, at_k)
    for name, numerator_N in records.numerators.items():
        scores[name] = float(numerator_N.sum() / max(1.0, records.denominators[name].sum()))
    residuals_1B = records.residuals_NB.sum(0, keepdims=True)
    scores["ece"] = float(calibration_error(residuals_1B, np.array([float(y_NK.size)]))[0])
    return scores


def check_predictions(probs_NK: NDArray[np.floating], y_NK: NDArray[Any], accepted_NK: NDArray[np.bool_]) -> None:
    """Refuse what would be measured wrongly without a word: logits, or arrays that do not belong together."""
    shapes = (probs_NK.shape, y_NK.shape, accepted_NK.shape)
    if len(set(shapes)) != 1 or len(shapes[0]) != 2 or 0 in shapes[0]:
        raise ValueError(f"expected three arrays of one shape (N, K), each at least 1; found {shapes}")
    if not (np.all(probs_NK >= 0) and np.all(probs_NK <= 1)):
        raise ValueError(f"expected probabilities in [0, 1], found {np.min(probs_NK)} to {np.max(probs_NK)}: logits?")
