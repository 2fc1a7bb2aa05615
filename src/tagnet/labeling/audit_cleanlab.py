"""cleanlab's ranking of suspect labels, for comparison (`tagnet[audit]`). Shapes: N records, K tags."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from tagnet.errors import MissingExtraError

_FLAGGED_FIRST = 10.0
"""More than scores can differ."""


def cleanlab_suspicion(
    probs_NK: NDArray[np.float64], y_NK: NDArray[np.bool_], known_NK: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Cells that cleanlab flags with its defaults, then all others, both by its label quality score.

    Tag by tag, `multilabel_classification.filter` prunes by noise rate (confident learning: Northcutt, Jiang & Chuang,
    JAIR 2021, section 3), and `multilabel_classification.rank` scores by self-confidence (Thyagarajan et al., ICML
    workshop on data-centric AI 2023). Records with an unknown cell in a tag are left out of that tag.

    Raises:
        MissingExtraError: cleanlab is not installed.
    """
    suspicion_NK = np.zeros(y_NK.shape)
    try:
        from cleanlab.multilabel_classification.filter import find_label_issues
        from cleanlab.multilabel_classification.rank import get_label_quality_scores_per_class
    except ImportError as error:
        raise MissingExtraError(
            "--ranker cleanlab needs a package that is not installed: cleanlab.\n"
            "Install it with: pip install 'tagnet[audit]'"
        ) from error
    for k in range(y_NK.shape[1]):
        rows = np.flatnonzero(known_NK[:, k])
        y_R, probs_R = y_NK[rows, k], probs_NK[rows, k]
        suspicion_NK[rows, k] = np.where(y_R, 1 - probs_R, probs_R)
        if not 0 < y_R.sum() < len(rows):
            continue  # cleanlab refuses a tag that all or none bear
        labels = [[0] if each else [] for each in y_R]
        quality_R1 = np.asarray(get_label_quality_scores_per_class(labels, probs_R[:, None]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            flagged_R = np.asarray(find_label_issues(labels, probs_R[:, None], n_jobs=1), dtype=bool)
        suspicion_NK[rows, k] = 1 - quality_R1[:, 0] + _FLAGGED_FIRST * flagged_R
    return suspicion_NK
