"""What the counts of the training set make of the losses: a weight or a shift for each of K tags, in NumPy float64.

A tag that no training record bears counts as borne by one, and one that all bear as missing from one: every weight
is finite.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tagnet.config import WeightedBCEConfig

FloatArray = NDArray[np.float64]


def effective_number(counts_K: FloatArray, beta: float | None, num_records: int) -> FloatArray:
    """(1 − βⁿ) / (1 − β): how many distinct records n records amount to (Cui et al., CVPR 2019, section 3.2).

    β = 0 makes it 1, β → 1 makes it n; None is (N − 1) / N for N training records, the paper's β for N prototypes.

    >>> effective_number(np.array([1.0, 10.0, 1000.0]), 0.9, 2000).round(3).tolist()
    [1.0, 6.513, 10.0]
    """
    beta = (num_records - 1) / num_records if beta is None else beta
    if beta == 0:
        return np.ones_like(counts_K)
    result: FloatArray = np.expm1(counts_K * np.log(beta)) / (beta - 1)
    return result


def positive_weights(positives_K: NDArray[np.number], num_records: int, config: WeightedBCEConfig) -> FloatArray:
    """The weight of each tag's positive cells, (K,), none above `config.max_weight`.

    `inverse`: negatives / positives. `sqrt_inverse`: its square root. `effective_number`: the same ratio of effective
    numbers (the two classes of a tag, weighted as Cui et al. do, scaled so that negatives weigh 1).
    `count`: 1 / positives, which the MadeWithML course puts on the whole tag, positive and negative cells alike.

    >>> config = WeightedBCEConfig("weighted_bce", "inverse", None, 50.0)
    >>> positive_weights(np.array([100, 50, 1, 0]), 200, config).tolist()
    [1.0, 3.0, 50.0, 50.0]
    """
    positives = np.clip(np.asarray(positives_K, dtype=np.float64), 1, None)
    negatives = np.clip(num_records - positives, 1, None)
    if config.weighting == "count":
        weights_K = 1 / positives
    elif config.weighting == "effective_number":
        negatives_in_effect = effective_number(negatives, config.beta, num_records)
        weights_K = negatives_in_effect / effective_number(positives, config.beta, num_records)
    elif config.weighting == "sqrt_inverse":
        weights_K = np.sqrt(negatives / positives)
    else:
        weights_K = negatives / positives
    return np.minimum(weights_K, config.max_weight)


def class_balanced_weights(positives_K: NDArray[np.number], num_records: int, beta: float | None) -> FloatArray:
    """1 / effective number, (K,), scaled to average 1 over the tags (Cui et al., CVPR 2019, section 4).

    Tags without positives weigh as those with one, and do not enter the average.

    >>> class_balanced_weights(np.array([1, 10, 1000]), 2000, 0.9).round(3).tolist()
    [2.393, 0.367, 0.239]
    """
    positives = np.asarray(positives_K, dtype=np.float64)
    weights_K = 1 / effective_number(np.clip(positives, 1, None), beta, num_records)
    borne_K = positives > 0
    scaled_K: FloatArray = weights_K / (weights_K[borne_K] if borne_K.any() else weights_K).mean()
    return scaled_K


def inverse_counts(positives_K: NDArray[np.number]) -> FloatArray:
    """1 / n for each tag, (K,).

    >>> inverse_counts(np.array([4, 0])).tolist()
    [0.25, 1.0]
    """
    result: FloatArray = 1 / np.clip(np.asarray(positives_K, dtype=np.float64), 1, None)
    return result


def clipped_log_odds(positives_K: NDArray[np.number], num_records: int) -> FloatArray:
    """log(p / (1 − p)) for the share p of records that bear the tag, (K,); at least half a record is on either side.

    >>> clipped_log_odds(np.array([50, 10, 0]), 100).round(3).tolist()
    [0.0, -2.197, -5.293]
    """
    positives = np.clip(np.asarray(positives_K, dtype=np.float64), 0.5, num_records - 0.5)
    result: FloatArray = np.log(positives / (num_records - positives))
    return result
