"""Means and intervals over repeated runs: several seeds on one test set, or folds and seeds of a cross-validation.

Runs whose training sets overlap are not independent, and the usual standard error is far too small. Nadeau & Bengio
(Machine Learning 52, 2003, section 5) correct the variance of the mean by the ratio of test to training records.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import t as student_t

from tagnet.evaluation.intervals import Estimate


def mean_of_repeats(values: Sequence[float], test_to_train: float, confidence: float = 0.95) -> Estimate:
    """The mean of a metric, or of paired differences of one, over repeated runs, and its interval by Student's t.

    Args:
        values: of each run; at least two for an interval.
        test_to_train: test records divided by training records, for runs on different cuts of the same records; 0 for
            seeds on one cut, which then speak of that cut alone.
        confidence: coverage of the interval.

    Returns:
        Mean, low and high; of one value itself thrice.

    Raises:
        ValueError: there is no value.

    >>> found = mean_of_repeats([0.70, 0.74, 0.72], 0.25)
    >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
    (0.72, 0.654, 0.786)
    """
    if not values:
        raise ValueError("expected at least one value, found none")
    mean = float(np.mean(values))
    if len(values) == 1:
        return Estimate(mean, mean, mean)
    error = math.sqrt((1 / len(values) + test_to_train) * float(np.var(values, ddof=1)))
    half = float(student_t.ppf(0.5 + confidence / 2, len(values) - 1)) * error
    return Estimate(mean, mean - half, mean + half)
