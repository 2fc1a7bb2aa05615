"""A threshold that promises recall (conformal risk control), and what its promise hangs on. N records, K tags."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import datetime
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from tagnet.config import ConformalRecallThresholdsConfig, ThresholdsConfig
from tagnet.errors import MissingExtraError

FloatArray = NDArray[np.float64]
_CANDIDATES = 100
"""Thresholds that are tried at most, as many as MAPIE tries by default."""
_DIFFERENT = 0.001
"""The p-value under which dates are taken to differ: a random split passes for one by date once in a thousand times."""


def require_conformal_extra(config: ThresholdsConfig) -> None:
    """Raise before any work where the rule needs MAPIE and it is not installed.

    Raises:
        MissingExtraError: it names the command that installs it.
    """
    if isinstance(config, ConformalRecallThresholdsConfig) and find_spec("mapie") is None:
        raise MissingExtraError(
            "thresholds=conformal_recall needs a package that is not installed: mapie.\n"
            "Install it with: pip install 'tagnet[conformal]'"
        )


def conformal_recall_threshold(probs_NK: FloatArray, y_NK: FloatArray, recall: float) -> float:
    """The highest threshold for all tags that promises a recall (Angelopoulos et al., Conformal Risk Control, 2022).

    Of records like those given, exchangeable with them, the expected share of a record's tags that are accepted is at
    least `recall`, whatever the model; records without tags have none to miss and are left out. Few records promise
    little: with n of them nothing above n/(n + 1) can be promised, and every tag is accepted.

    Args:
        probs_NK: (N, K) in [0, 1].
        y_NK: (N, K) of 0 and 1, at least one of them 1; unknown cells are 0.
        recall: the promise, above 0 and below 1.

    Returns:
        A threshold in [0, 1], the probability of a cell that bears its tag: from it on, tags are accepted.

    >>> probs_NK = np.linspace(0.01, 1, 100)[:, None]
    >>> round(conformal_recall_threshold(probs_NK, np.ones((100, 1)), 0.8), 2)
    0.2
    """
    from mapie.risk_control import MultiLabelClassificationController

    bearing_N = y_NK.any(axis=1)
    probs_NK, y_NK = probs_NK[bearing_N], y_NK[bearing_N]
    # Recall changes at the probabilities of cells that bear their tag, and nowhere else.
    shares = np.linspace(0, 1, _CANDIDATES - 2)
    borne = np.unique(np.quantile(probs_NK[y_NK > 0], shares, method="inverted_cdf"))
    # MAPIE accepts above its threshold, we from ours on. The first accepts everything; the last nothing, so that MAPIE
    # sees which way the risk grows also where all others risk the same.
    candidates = np.concatenate([[-1.0], np.nextafter(borne, -np.inf), [2.0]])
    controller = MultiLabelClassificationController(
        lambda probs: probs, risk="recall", method="crc", target_level=recall, predict_params=candidates
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The risk cannot be controlled")
        controller.calibrate(probs_NK, y_NK.astype(np.int64))
        best = int(np.searchsorted(candidates, float(controller.best_predict_param[0])))
    if controller.r_hat_plus[best] >= 1 - recall:
        best = 0
    return 0.0 if best == 0 else float(borne[best - 1])


def broken_promise(
    config: ThresholdsConfig,
    y_VK: NDArray[np.uint8],
    val_dates: Sequence[datetime | None],
    test_dates: Sequence[datetime | None],
) -> str | None:
    """Say why a promised recall will not hold, in one sentence; None where nothing speaks against it.

    It holds for records like those of validation. Test records of other dates (a Kolmogorov–Smirnov test, p < .001)
    are not like them, and records to come will not be either; too few validation records can promise nothing.

    Args:
        config: the rule; all but `conformal_recall` promise nothing.
        y_VK: (V, K), the validation labels.
        val_dates: of validation records; None where a record has none.
        test_dates: of test records.
    """
    if not isinstance(config, ConformalRecallThresholdsConfig):
        return None
    bearing = int(y_VK.any(axis=1).sum())
    if bearing / (bearing + 1) <= config.recall:
        return (
            f"{bearing} validation records with a tag cannot promise a recall of {config.recall:g}: every tag is "
            f"accepted; at least {int(np.floor(config.recall / (1 - config.recall) + 1e-9)) + 1} are needed"
        )
    from scipy.stats import ks_2samp

    val, test = ([date.timestamp() for date in dates if date is not None] for dates in (val_dates, test_dates))
    if not val or not test or ks_2samp(val, test).pvalue >= _DIFFERENT:
        return None
    spans = [
        f"{min(dates):%Y-%m-%d} to {max(dates):%Y-%m-%d}"
        for dates in ([d for d in side if d is not None] for side in (val_dates, test_dates))
    ]
    return (
        f"validation and test records are of different dates ({spans[0]} against {spans[1]}): the recall of "
        f"{config.recall:g} that thresholds.recall asks for is promised for records like those of validation only, and "
        "may be missed on later ones"
    )
