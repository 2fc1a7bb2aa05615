"""snorkel's LabelModel for each tag: for comparison, and for those who trust it more. It comes with tagnet[snorkel].

N records, K tags.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from tagnet.errors import MissingExtraError
from tagnet.labeling.weak.votes import VoteMatrix

_FEWEST = 3
"""The label model needs as many functions that vote; with fewer the majority decides."""


def snorkel_probabilities(
    votes: VoteMatrix, y_NK: NDArray[np.uint8], known_NK: NDArray[np.bool_], seed: int
) -> NDArray[np.float64]:
    """The label model's posterior of each cell: (N, K); its prior is a tag's frequency among the gold.

    Ratner et al., "Training Complex Models with Multi-Task Weak Supervision" (AAAI 2019).

    Raises:
        MissingExtraError: snorkel is not installed.
    """
    if find_spec("snorkel") is None:
        raise MissingExtraError(
            "--combine snorkel needs the package snorkel, which is not installed.\n"
            "Install it with: pip install 'tagnet[snorkel]'"
        )
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own, of old packages
        from snorkel.labeling.model import LabelModel
    logging.getLogger("snorkel.labeling.model.label_model").setLevel(logging.WARNING)

    probs_NK = np.zeros((votes.num_records, len(votes.tags)))
    for k in range(len(votes.tags)):
        _, sparse_NF = votes.of_tag(k)
        votes_NF = sparse_NF.toarray()
        votes_NF = votes_NF[:, (votes_NF != 0).any(0)]
        if votes_NF.shape[1] < _FEWEST:
            for_N, against_N = (votes_NF > 0).sum(1), (votes_NF < 0).sum(1)
            probs_NK[:, k] = for_N / np.maximum(for_N + against_N, 1)
            continue
        gold_N = known_NK[:, k]
        share = (y_NK[gold_N, k].sum() + 1) / (gold_N.sum() + 2) if gold_N.any() else 0.5
        model = LabelModel(cardinality=2, verbose=False)
        label_matrix = np.where(votes_NF == 0, -1, np.where(votes_NF > 0, 1, 0)).astype(int)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(label_matrix, n_epochs=200, seed=seed, progress_bar=False, class_balance=[1 - share, share])
            probs_NK[:, k] = model.predict_proba(label_matrix)[:, 1]
    return probs_NK
