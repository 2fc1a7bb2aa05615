"""EM's posteriors, put right on gold.

The model of `em` takes functions for independent. They are not, so that its posteriors are too sure, and which cells
many functions agree upon says more than it knows. A logistic regression, the same for all tags, learns on cells with
gold how far to believe it; there it sees posteriors for which these cells' gold was hidden. N records, K tags.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from tagnet.labeling.weak.em import em_log_odds
from tagnet.labeling.weak.votes import VoteMatrix

Floats = NDArray[np.float64]

_FOLDS = 5
_FEWEST = 20
"""With fewer positive, or fewer negative, cells of gold the posteriors are taken as they are."""
_MOST = 8.0
"""Log-odds are cut here (natural units), so that no cell outweighs all others."""


def stacked_probabilities(votes: VoteMatrix, y_NK: NDArray[np.uint8], known_NK: NDArray[np.bool_], seed: int) -> Floats:
    """The probability of every cell: (N, K).

    Args:
        votes: of F functions.
        y_NK: (N, K) gold.
        known_NK: (N, K) where there is gold; may be nowhere.
        seed: of the folds in which gold is hidden.
    """
    log_odds_NK = em_log_odds(votes, y_NK, known_NK)
    y_G = y_NK[known_NK]
    if min(int((y_G > 0).sum()), int((y_G == 0).sum())) < _FEWEST:
        return np.asarray(expit(log_odds_NK), dtype=np.float64)
    hidden_NK = log_odds_NK.copy()
    records = np.flatnonzero(known_NK.any(1))
    fold_R = np.random.default_rng(seed).permutation(len(records)) % min(_FOLDS, len(records))
    for fold in range(int(fold_R.max()) + 1):
        rows = records[fold_R == fold]
        seen_NK = known_NK.copy()
        seen_NK[rows] = False
        hidden_NK[rows] = em_log_odds(votes, y_NK, seen_NK)[rows]
    model = LogisticRegression(C=1.0, max_iter=1000)
    model.fit(_features(votes, hidden_NK)[known_NK], y_G)
    shape = log_odds_NK.shape
    cells_CF = _features(votes, log_odds_NK).reshape(shape[0] * shape[1], -1)
    return np.asarray(model.predict_proba(cells_CF)[:, 1], dtype=np.float64).reshape(shape)


def _features(votes: VoteMatrix, log_odds_NK: Floats) -> Floats:
    """What is known of each cell: (N, K, features)."""
    for_NK, against_NK = votes.counts(1), votes.counts(-1)
    able_K = np.maximum(votes.may_vote_FK.sum(0), 1)
    cut_NK = np.clip(log_odds_NK, -_MOST, _MOST)
    return np.stack(
        [
            cut_NK,
            np.maximum(cut_NK, 0.0),
            np.log1p(for_NK),
            np.log1p(against_NK),
            for_NK / np.maximum(for_NK + against_NK, 1),
            np.broadcast_to(np.log(able_K), cut_NK.shape),
        ],
        axis=-1,
    )
