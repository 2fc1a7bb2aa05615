"""Probabilities for every cell by models that did not see it: learners, cross-fitted, or a cross-validation's runs.

Cross-fitting: for each fold, what judges it, its calibration and the weights of several learners come from the records
of the other folds alone. The calibration of fold f needs logits of the other folds by models that saw neither them nor
f; a model that was kept from two folds serves both, so that F folds take F (F − 1) / 2 + F fits a learner.

Shapes: N records, K tags, F folds, M learners.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from tagnet.calibration.calibrators import fit_calibrator
from tagnet.config import CalibratorConfig
from tagnet.data.duplicates import duplicate_groups
from tagnet.data.split import stratified_folds
from tagnet.errors import SplitError
from tagnet.workflows.cell_learners import CellLearner, Floats
from tagnet.workflows.crossval import read_crossval

_LEAST_FOLDS = 3
"""One is judged, one calibrates, one is learned from."""


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """What models that did not see a record say of it."""

    ids: tuple[str, ...]
    """Of the N records."""
    tags: tuple[str, ...]
    probs_NK: Floats
    """Calibrated."""
    y_NK: NDArray[np.uint8]
    """The labels that the models were told."""


def audit_folds(
    texts: Sequence[str], y_NK: NDArray[np.uint8], folds: int, seed: int, similarity: float | None
) -> NDArray[np.int64]:
    """The fold of each record, (N,), stratified by tag; near-identical records are in the same one.

    Args:
        texts: N texts, by which near-identical records are found.
        y_NK: which record bears which tag.
        folds: how many at most; fewer where there are not as many different records.
        seed: of what is drawn.
        similarity: see `duplicate_groups`.

    Raises:
        SplitError: there are fewer than three different records.
    """
    groups = duplicate_groups(texts, similarity)
    different = len(np.unique(groups))
    if different < _LEAST_FOLDS:
        raise SplitError(
            f"expected at least {_LEAST_FOLDS} different records, to learn, calibrate and judge, found {different}\n"
            "(near-identical records count once); add records"
        )
    return stratified_folds(y_NK, min(folds, different), seed, groups)


def cross_fit(
    learners: Sequence[CellLearner],
    y_NK: NDArray[np.uint8],
    fold_N: NDArray[np.int64],
    calibrator: CalibratorConfig,
    seed: int = 0,
    progress: Callable[[int, int], object] | None = None,
) -> Floats:
    """Calibrated probabilities of all cells, (N, K), each by models that did not see its record.

    Args:
        learners: M of them; several are weighed by a logistic regression on their calibrated log-odds.
        y_NK: the labels that we have.
        fold_N: (N,), from 0 to F − 1, with F at least 3.
        calibrator: how logits become probabilities.
        seed: of what is random in the learners.
        progress: called with the number of fits done, and that of all.

    Raises:
        ValueError: there are fewer than three folds, or an empty one.
    """
    num_folds = int(fold_N.max()) + 1 if len(fold_N) else 0
    rows_F = [np.flatnonzero(fold_N == fold) for fold in range(num_folds)]
    if num_folds < _LEAST_FOLDS or not all(len(rows) for rows in rows_F):
        raise ValueError(f"fold: expected at least {_LEAST_FOLDS} folds, none of them empty, found {num_folds}")
    total, done = num_folds * (num_folds - 1) // 2 + num_folds, 0

    def fit(away: tuple[int, ...]) -> NDArray[np.float32]:
        nonlocal done
        learn = np.flatnonzero(~np.isin(fold_N, away))
        judge = np.concatenate([rows_F[fold] for fold in away])
        found = np.stack([each.logits(learn, judge, y_NK, seed) for each in learners])
        done += 1
        if progress is not None:
            progress(done, total)
        return found.astype(np.float32)

    # of_fold[f][g]: the records of g by a model that saw neither f nor g.
    of_fold: list[dict[int, NDArray[np.float32]]] = [{} for _ in range(num_folds)]
    for f, g in combinations(range(num_folds), 2):
        both_MJK = fit((f, g))
        of_fold[g][f], of_fold[f][g] = both_MJK[:, : len(rows_F[f])], both_MJK[:, len(rows_F[f]) :]
    probs_NK = np.zeros(y_NK.shape)
    for f in range(num_folds):
        others = [g for g in range(num_folds) if g != f]
        held_out_MRK = np.concatenate([of_fold[f].pop(g) for g in others], axis=1)
        y_RK = y_NK[np.concatenate([rows_F[g] for g in others])]
        probs_NK[rows_F[f]] = fit_blend(held_out_MRK, y_RK, calibrator)(fit((f,)))
    return probs_NK


def fit_blend(
    logits_MNK: NDArray[np.floating], y_NK: NDArray[np.uint8], calibrator: CalibratorConfig
) -> Callable[[NDArray[np.floating]], Floats]:
    """Learn how the logits of M learners become one calibrated probability.

    Each learner is calibrated by itself, the log-odds are weighed by a logistic regression over the cells of all tags
    (stacking: Wolpert, Neural Networks 1992), and their sum is calibrated.

    Args:
        logits_MNK: of records that the learners did not see.
        y_NK: their labels.
        calibrator: how logits become probabilities.

    Returns:
        What takes logits (M, J, K) to probabilities (J, K).
    """
    own_M = [fit_calibrator(logits_NK, y_NK, calibrator) for logits_NK in logits_MNK]

    def calibrated(logits_MJK: NDArray[np.floating]) -> Floats:
        return np.stack([scale * each + offsets for each, (scale, offsets) in zip(logits_MJK, own_M, strict=True)])

    inputs_MNK = calibrated(logits_MNK)
    weights_M = np.full(len(own_M), 1 / len(own_M))
    if len(own_M) > 1 and 0 < y_NK.sum() < y_NK.size:
        model = LogisticRegression(C=100.0, max_iter=1000)
        weights_M = model.fit(inputs_MNK.reshape(len(own_M), -1).T, y_NK.ravel()).coef_[0]
    scale, offsets_K = fit_calibrator(np.tensordot(weights_M, inputs_MNK, 1), y_NK, calibrator)

    def probabilities(logits_MJK: NDArray[np.floating]) -> Floats:
        x_JK = scale * np.tensordot(weights_M, calibrated(logits_MJK), 1) + offsets_K
        return np.asarray(np.exp(-np.logaddexp(0.0, -x_JK)), dtype=np.float64)

    return probabilities


def from_crossval(folder: Path) -> OutOfFold:
    """The test predictions of a cross-validation's runs: of several seeds the mean probability.

    Raises:
        SweepError: the folder holds no cross-validation, or none of its runs has finished.
        RunDirectoryError: a run's files are damaged.
        SplitError: runs have different tags, or were told different labels.
    """
    runs = [each.run for each in read_crossval(folder).runs]
    place_of: dict[str, int] = {}
    for run in runs:
        for record_id in run.ids:
            place_of.setdefault(record_id, len(place_of))
    tags = runs[0].rule.tags
    probs_NK, y_NK = np.zeros((len(place_of), len(tags))), np.zeros((len(place_of), len(tags)), dtype=np.uint8)
    count_N = np.zeros(len(place_of), dtype=np.int64)
    for run in runs:
        if run.rule.tags != tags:
            raise SplitError(f"{run.folder}: expected the tags of {runs[0].folder}, found others")
        places = np.asarray([place_of[record_id] for record_id in run.ids])
        known = places[count_N[places] > 0]
        if (y_NK[known] != run.y_NK[count_N[places] > 0]).any():
            raise SplitError(f"{run.folder}: expected the labels of the other runs, found others")
        probs_NK[places] += run.probs_NK
        y_NK[places] = run.y_NK
        count_N[places] += 1
    return OutOfFold(tuple(place_of), tags, probs_NK / count_N[:, None], y_NK)
