"""modAL's multi-label strategies (Danka & Horvath 2018), on the pool that all strategies are given.

They ask a classifier about the pool; here it is a stand-in that gives back the head's probabilities, so that strategies
alone differ. `SVM_binary_minimum` names one record a call: it is called for each of the batch, on what is left.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from tagnet.labeling.query.pool import Pool
from tagnet.workflows.simulate import Choose
from tagnet.workflows.simulation_learners import Rows

_NAMES = (
    "SVM_binary_minimum",
    "max_loss",
    "mean_max_loss",
    "min_confidence",
    "avg_confidence",
    "max_score",
    "avg_score",
)
MODAL: tuple[str, ...] = tuple(f"modal {name}" for name in _NAMES) if find_spec("modAL") else ()


class StandIn:
    """What modAL's strategies call of a OneVsRestClassifier in an ActiveLearner; X are rows of the pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.classes_ = np.arange(pool.num_tags)
        self.estimator = self
        self.estimators_ = [_OneTag(pool, k) for k in range(pool.num_tags)]

    def predict_proba(self, rows_N1: NDArray[Any]) -> NDArray[np.float64]:
        """Calibrated probabilities, (N, K)."""
        return np.asarray(self._pool.probs_NK[rows_N1[:, 0]])

    def predict(self, rows_N1: NDArray[Any]) -> NDArray[np.int64]:
        """1 where the tag is likelier than not, as scikit-learn decides, (N, K)."""
        return (self.predict_proba(rows_N1) > 0.5).astype(np.int64)


class _OneTag:
    def __init__(self, pool: Pool, tag: int) -> None:
        self._pool, self._tag = pool, tag

    def decision_function(self, rows_N1: NDArray[Any]) -> NDArray[np.float64]:
        """Log-odds of one tag, (N,)."""
        return np.asarray(logit(np.clip(self._pool.probs_NK[rows_N1[:, 0], self._tag], 1e-9, 1 - 1e-9)))


def modal_chooser(name: str) -> Choose:
    """A strategy of modAL as one that chooses rows; it knows neither seed nor random share."""
    from modAL import multilabel

    ask: Callable[..., Any] = getattr(multilabel, name.removeprefix("modal "))

    def choose_rows(_: str, pool: Pool, size: int, __: int, ___: float) -> Rows:
        rows_N1 = np.arange(pool.num_records)[:, None]
        if name.endswith("SVM_binary_minimum"):
            chosen: list[int] = []
            while len(chosen) < size:
                left_N1 = np.delete(rows_N1, chosen, axis=0)
                chosen.append(int(left_N1[ask(StandIn(pool), left_N1), 0]))
            return np.array(chosen, dtype=np.intp)
        asked = ask(StandIn(pool), rows_N1, n_instances=size)
        places = asked[0] if isinstance(asked, tuple) else asked
        return np.asarray(places, dtype=np.intp)

    return choose_rows
