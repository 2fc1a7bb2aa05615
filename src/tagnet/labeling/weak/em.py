"""How reliable each function is, tag by tag, estimated with the labels themselves by expectation maximisation.

The model of Dawid and Skene (1979), with an abstention as a third answer that says something, too: a function that
looks for a word is silent mostly where the tag does not belong. Cells with gold are clamped to it. What a function says
of a tag is drawn toward what it says on average over its tags, and that toward what is expected of any function, for
few records of gold show little of one tag. N records, K tags, F functions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from tagnet.labeling.weak.votes import VoteMatrix

Floats = NDArray[np.float64]

_ROUNDS = 50
_SHARED_STRENGTH = 2.0
"""Unit: records; what any function is expected to do counts as many for a function's average over tags."""
_TAG_STRENGTH = 8.0
"""Unit: records; a function's average over its tags counts as many for one tag."""
_NEAR = 1e-4


def em_log_odds(votes: VoteMatrix, y_NK: NDArray[np.uint8], known_NK: NDArray[np.bool_]) -> Floats:
    """The posterior log-odds of every cell by its votes, (N, K); of cells with gold, too, as if theirs were not known.

    Args:
        votes: of F functions.
        y_NK: (N, K) gold.
        known_NK: (N, K) where there is gold; may be nowhere.
    """
    start_NK = np.where(known_NK, y_NK, _smoothed_majority(votes))
    probs_NK = start_NK.copy()
    held, log_odds_NK = _held_votes(votes), np.zeros(probs_NK.shape)
    # First the functions are judged by gold alone, where there is any: else those that agree with each other, not those
    # that are right, would say what the tag means.
    weight_NK = known_NK if known_NK.any() else np.ones_like(known_NK)
    for _ in range(_ROUNDS):
        log_odds_NK = _log_odds(votes, held, probs_NK, weight_NK.astype(np.float64))
        weight_NK = np.ones_like(known_NK)
        new_NK = np.where(known_NK, y_NK, expit(log_odds_NK))
        moved = float(np.abs(new_NK - probs_NK).max(initial=0.0))
        probs_NK = new_NK
        if moved < _NEAR:
            break
    return log_odds_NK


def _smoothed_majority(votes: VoteMatrix) -> Floats:
    """Where to start: the votes in favour, against the votes not in favour and one half of a doubt."""
    for_NK, against_NK = votes.counts(1), votes.counts(-1)
    return np.asarray((for_NK + 0.01) / (for_NK + against_NK + 0.5), dtype=np.float64)


def _held_votes(votes: VoteMatrix) -> dict[int, NDArray[np.bool_]]:
    """Sign → which votes have it: (V,)."""
    return {sign: votes.vote_V == sign for sign in (1, -1)}


def _log_odds(votes: VoteMatrix, held: dict[int, NDArray[np.bool_]], probs_NK: Floats, weight_NK: Floats) -> Floats:
    """One round: what the cells say of the functions, and the functions then of the cells, (N, K)."""
    absent_NK, present_NK = weight_NK * (1 - probs_NK), weight_NK * probs_NK
    n_2K = np.stack([absent_NK.sum(0), present_NK.sum(0)])
    answers = _answers(votes, held, absent_NK, present_NK)
    shared_F23 = _pooled(answers)
    prior_K = (n_2K[1] + 0.5) / (n_2K.sum(0) + 1.0)
    counts_FK23 = answers + _TAG_STRENGTH * shared_F23[:, None]
    theta_FK23 = counts_FK23 / counts_FK23.sum(-1, keepdims=True)
    ratio_FK3 = np.log(theta_FK23[:, :, 1] / theta_FK23[:, :, 0]) * votes.may_vote_FK[:, :, None]
    log_odds_NK = np.tile(logit(prior_K) + ratio_FK3[:, :, 0].sum(0), (votes.num_records, 1))
    for sign, place in ((1, 1), (-1, 2)):
        here = held[sign]
        f, k = votes.function_V[here], votes.tag_V[here]
        np.add.at(log_odds_NK, (votes.record_V[here], k), ratio_FK3[f, k, place] - ratio_FK3[f, k, 0])
    return log_odds_NK


def _answers(votes: VoteMatrix, held: dict[int, NDArray[np.bool_]], absent_NK: Floats, present_NK: Floats) -> Floats:
    """Expected numbers of silence, + and −, for absent and present tags: (F, K, 2, 3)."""
    answers = np.zeros((*votes.may_vote_FK.shape, 2, 3))
    for sign, place in ((1, 1), (-1, 2)):
        here = held[sign]
        f, n, k = votes.function_V[here], votes.record_V[here], votes.tag_V[here]
        np.add.at(answers[:, :, 1, place], (f, k), present_NK[n, k])
        np.add.at(answers[:, :, 0, place], (f, k), absent_NK[n, k])
    totals_K2 = np.stack([absent_NK.sum(0), present_NK.sum(0)], axis=-1)
    answers[:, :, :, 0] = np.maximum(totals_K2[None] - answers.sum(-1), 0.0)
    answers *= votes.may_vote_FK[:, :, None, None]
    return answers


def _pooled(answers: Floats) -> Floats:
    """What each function does on average over its tags: (F, 2, 3), drawn toward what all functions do."""
    total_23 = answers.sum((0, 1)) + 1.0
    general_23 = total_23 / total_23.sum(-1, keepdims=True)
    pooled_F23 = answers.sum(1) + _SHARED_STRENGTH * general_23
    return np.asarray(pooled_F23 / pooled_F23.sum(-1, keepdims=True), dtype=np.float64)
