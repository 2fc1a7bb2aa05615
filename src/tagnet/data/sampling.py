"""Which training records an epoch shows: as they are, or with scarce tags repeated and frequent ones thinned out.

N training records, K tags.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tagnet.config import OversampleConfig, RepeatFactorConfig, SamplerConfig, UndersampleConfig


def epoch_indices(y_NK: NDArray[np.uint8], config: SamplerConfig, seed: int, epoch: int) -> NDArray[np.int64]:
    """The records of an epoch, sorted, those that are repeated as often as they are shown.

    Pure in (seed, epoch): each epoch draws anew, and draws the same when it is run again.

    Args:
        y_NK: which training record bears which tag.
        config: the sampler.
        seed: of the run.
        epoch: from 0.

    Returns:
        Indices into the N training records, at least one where N is.

    >>> from tagnet.config import NoSamplerConfig
    >>> epoch_indices(np.eye(3, dtype=np.uint8), NoSamplerConfig("none"), seed=0, epoch=0).tolist()
    [0, 1, 2]
    """
    random = np.random.default_rng([seed, epoch])
    if isinstance(config, OversampleConfig):
        return oversample(y_NK, config.fraction, random)
    if isinstance(config, UndersampleConfig):
        return undersample(y_NK, config.fraction, random)
    if isinstance(config, RepeatFactorConfig):
        return repeat(repeat_factors(y_NK, config.threshold), random)
    return np.arange(len(y_NK), dtype=np.int64)


def imbalance_ratios(counts_K: NDArray[np.float64]) -> NDArray[np.float64]:
    """IRLbl of each tag: the commonest tag's count over its own (Charte et al. 2015, eq. 3); nan where it has none.

    >>> imbalance_ratios(np.array([8.0, 2.0, 0.0])).tolist()
    [1.0, 4.0, nan]
    """
    ratios_K = np.full(len(counts_K), np.nan)
    np.divide(counts_K.max(initial=0.0), counts_K, out=ratios_K, where=counts_K > 0)
    return ratios_K


def _mean_ratio(ratios_K: NDArray[np.float64]) -> float:
    borne = ratios_K[~np.isnan(ratios_K)]
    return float(borne.mean()) if len(borne) else float("nan")


def oversample(y_NK: NDArray[np.uint8], fraction: float, random: np.random.Generator) -> NDArray[np.int64]:
    """ML-ROS (Charte et al., Neurocomputing 163, 2015, algorithm 1): clones of records that bear scarce tags.

    A tag is scarce while its IRLbl is above the mean of all tags' (MeanIR). Each in turn has one of its records cloned,
    drawn evenly, until `fraction` · N clones are made or no tag is scarce any more.
    """
    counts_K = y_NK.sum(axis=0, dtype=np.float64)
    mean_ratio = _mean_ratio(imbalance_ratios(counts_K))
    scarce = [int(tag) for tag in np.flatnonzero(imbalance_ratios(counts_K) > mean_ratio)]
    bearers = {tag: np.flatnonzero(y_NK[:, tag]) for tag in scarce}
    clones: list[int] = []
    most = round(fraction * len(y_NK))
    while scarce and len(clones) < most:
        for tag in tuple(scarce):
            if len(clones) == most:
                break
            clone = int(random.choice(bearers[tag]))
            clones.append(clone)
            counts_K += y_NK[clone]
            if counts_K.max() / counts_K[tag] <= mean_ratio:
                scarce.remove(tag)
    return np.sort(np.concatenate([np.arange(len(y_NK)), np.asarray(clones, dtype=np.int64)])).astype(np.int64)


def undersample(y_NK: NDArray[np.uint8], fraction: float, random: np.random.Generator) -> NDArray[np.int64]:
    """ML-RUS (Charte et al., Neurocomputing 163, 2015, section 4.2): records of frequent tags are left out.

    Records that bear a scarce tag (IRLbl above MeanIR) stay, and so do those without any tag. Each frequent tag in turn
    loses one record, drawn evenly, until `fraction` · N are gone, or each frequent tag is as scarce as the mean or has
    no such record left.
    """
    counts_K = y_NK.sum(axis=0, dtype=np.float64)
    ratios_K = imbalance_ratios(counts_K)
    mean_ratio = _mean_ratio(ratios_K)
    spare_N = ~y_NK[:, ratios_K > mean_ratio].any(axis=1)
    frequent = [int(tag) for tag in np.flatnonzero(ratios_K < mean_ratio)]
    queues = {tag: random.permutation(np.flatnonzero(spare_N & (y_NK[:, tag] > 0))).tolist() for tag in frequent}
    stays_N = np.ones(len(y_NK), dtype=bool)
    left = round(fraction * len(y_NK))
    while frequent and left:
        for tag in tuple(frequent):
            queue = queues[tag]
            while queue and not stays_N[queue[-1]]:
                queue.pop()
            if not queue or counts_K.max() / counts_K[tag] >= mean_ratio:
                frequent.remove(tag)
                continue
            if not left:
                break
            gone = queue.pop()
            stays_N[gone] = False
            counts_K -= y_NK[gone]
            left -= 1
    return np.flatnonzero(stays_N).astype(np.int64)


def repeat_factors(y_NK: NDArray[np.uint8], threshold: float) -> NDArray[np.float64]:
    """How often each record is shown on average: (N,), at least 1.

    A tag that a share f of the records bears asks for max(1, √(threshold / f)) repeats, and a record takes the most
    that one of its tags asks for (Gupta et al., LVIS, CVPR 2019, section 5.1).

    >>> y_NK = np.array([[1, 0], [1, 0], [1, 0], [1, 1]], dtype=np.uint8)
    >>> repeat_factors(y_NK, threshold=0.81).round(6).tolist()
    [1.0, 1.0, 1.0, 1.8]
    """
    share_K = y_NK.sum(axis=0, dtype=np.float64) / max(1, len(y_NK))
    factor_K = np.ones(y_NK.shape[1])
    borne_K = share_K > 0
    factor_K[borne_K] = np.maximum(1.0, np.sqrt(threshold / share_K[borne_K]))
    factors_N = np.ones(len(y_NK))
    for tag in np.flatnonzero(factor_K > 1):
        bearers = y_NK[:, tag] > 0
        factors_N[bearers] = np.maximum(factors_N[bearers], factor_K[tag])
    return factors_N


def repeat(factors_N: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.int64]:
    """Each index as often as its factor says, the part behind the decimal point by chance (ibid.)."""
    whole_N = np.floor(factors_N)
    times_N = (whole_N + (random.random(len(factors_N)) < factors_N - whole_N)).astype(np.int64)
    return np.repeat(np.arange(len(factors_N), dtype=np.int64), times_N)
