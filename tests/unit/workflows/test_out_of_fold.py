"""Cross-fitting: nobody judges a cell that he saw."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tagnet.config import SharedPlattConfig
from tagnet.errors import SplitError, SweepError
from tagnet.workflows import out_of_fold
from tagnet.workflows.cell_learners import CellLearner, EmbeddingDiscriminant, WordsAndTags
from tagnet.workflows.out_of_fold import audit_folds, cross_fit, fit_blend, from_crossval

CALIBRATOR = SharedPlattConfig("shared_platt", 30.0)


def corpus() -> tuple[list[str], NDArray[np.float64], NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    y_NK = (rng.random((90, 3)) < 0.4).astype(np.uint8)
    texts = [" ".join(["a", *(word for word, y in zip("xyz", row, strict=True) if y)]) for row in y_NK]
    return texts, y_NK @ rng.normal(size=(3, 6)) + 0.5 * rng.normal(size=(90, 6)), y_NK


@dataclass
class Spy:
    """Notes who learns from whom; its logits say which record it is."""

    name: str = "spy"
    fits: list[tuple[set[int], set[int]]] = field(default_factory=list)

    def logits(
        self, learn: NDArray[np.int64], judge: NDArray[np.int64], y_NK: NDArray[np.uint8], seed: int
    ) -> NDArray[np.float64]:
        self.fits.append((set(learn.tolist()), set(judge.tolist())))
        return np.tile(judge[:, None] / len(y_NK) - 0.5, (1, y_NK.shape[1]))


def test_every_fold_is_judged_by_what_learned_from_all_others_and_calibrated_on_them() -> None:
    spy, (_, _, y_NK) = Spy(), corpus()
    fold_N = np.arange(90) % 5
    done: list[tuple[int, int]] = []
    probs_NK = cross_fit([spy], y_NK, fold_N, CALIBRATOR, progress=lambda *counts: done.append(counts))
    assert done == [(n, 15) for n in range(1, 16)]
    everything = set(range(90))
    assert all(learn | judge == everything and not learn & judge for learn, judge in spy.fits)
    assert sorted(len(judge) for _, judge in spy.fits) == [18] * 5 + [36] * 10
    # One curve for all, whose logits rise with the record's number: places were kept.
    assert probs_NK.shape == y_NK.shape
    for fold in range(5):
        mine = probs_NK[fold_N == fold, 0]
        assert (np.diff(mine) > 0).all() or (np.diff(mine) < 0).all() or np.ptp(mine) < 1e-3


def test_a_label_has_no_part_in_its_own_probability() -> None:
    texts, embeddings, y_NK = corpus()
    learners: list[CellLearner] = [WordsAndTags(texts), EmbeddingDiscriminant(embeddings)]
    fold_N = np.arange(90) % 3
    before_NK = cross_fit(learners, y_NK, fold_N, CALIBRATOR)
    for row, column in ((0, 0), (31, 1), (62, 2)):
        other = y_NK.copy()
        other[row, column] = 1 - other[row, column]
        after_NK = cross_fit(learners, other, fold_N, CALIBRATOR)
        assert after_NK[row, column] == before_NK[row, column]
        assert (after_NK != before_NK).any()


def test_probabilities_are_calibrated_and_follow_the_labels() -> None:
    texts, embeddings, y_NK = corpus()
    probs_NK = cross_fit([WordsAndTags(texts), EmbeddingDiscriminant(embeddings)], y_NK, np.arange(90) % 5, CALIBRATOR)
    assert probs_NK[y_NK == 1].min() > probs_NK[y_NK == 0].max()
    assert probs_NK.mean(0) == pytest.approx(y_NK.mean(0), abs=0.05)


@pytest.mark.parametrize("fold", [[0, 1, 0, 1], [0, 2, 3, 3], []])
def test_too_few_folds(fold: list[int]) -> None:
    y_NK = np.ones((len(fold), 1), dtype=np.uint8)
    with pytest.raises(ValueError, match="at least 3 folds"):
        cross_fit([Spy()], y_NK, np.asarray(fold, dtype=np.int64), CALIBRATOR)


def test_the_better_learner_weighs_more() -> None:
    rng = np.random.default_rng(0)
    truth_NK = rng.normal(size=(2000, 2)) * 2
    y_NK = (rng.random(truth_NK.shape) < 1 / (1 + np.exp(-truth_NK))).astype(np.uint8)
    noise_NK = rng.normal(size=truth_NK.shape)
    blended = fit_blend(np.stack([truth_NK, noise_NK]), y_NK, CALIBRATOR)
    up, down = np.full((1, 2), 2.0), np.full((1, 2), -2.0)
    by_truth = blended(np.stack([up, 0 * up])) - blended(np.stack([down, 0 * up]))
    by_noise = blended(np.stack([0 * up, up])) - blended(np.stack([0 * up, down]))
    assert (by_truth > 10 * np.abs(by_noise)).all()
    np.testing.assert_allclose(blended(np.stack([up, 0 * up])), 1 / (1 + np.exp(-2)), atol=0.05)


@pytest.mark.parametrize("label", [0, 1])
def test_labels_that_are_all_alike(label: int) -> None:
    y_NK = np.full((30, 2), label, dtype=np.uint8)
    probs_JK = fit_blend(np.zeros((2, 30, 2)), y_NK, CALIBRATOR)(np.zeros((2, 3, 2)))
    assert probs_JK == pytest.approx(np.full((3, 2), label), abs=0.05)


def test_relatives_stay_in_one_fold_and_few_records_make_few_folds() -> None:
    texts = [f"text number {n // 2} of a kind" for n in range(40)]
    y_NK = np.ones((40, 1), dtype=np.uint8)
    fold_N = audit_folds(texts, y_NK, 5, 0, None)
    assert (fold_N[::2] == fold_N[1::2]).all()
    assert set(fold_N.tolist()) == set(range(5))
    assert set(audit_folds(texts[:8], y_NK[:8], 5, 0, None).tolist()) == set(range(4))
    with pytest.raises(SplitError, match="at least 3 different records"):
        audit_folds(texts[:4], y_NK[:4], 5, 0, None)


def fake_run(ids: list[str], probs: Any, y: Any, tags: tuple[str, ...] = ("a", "b")) -> SimpleNamespace:
    rule = SimpleNamespace(tags=tags)
    run = SimpleNamespace(
        folder=Path("run"), ids=tuple(ids), probs_NK=np.array(probs), y_NK=np.array(y, dtype=np.uint8), rule=rule
    )
    return SimpleNamespace(run=run)


def test_runs_are_put_together_by_id(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [
        fake_run(["1", "2"], [[0.2, 0.4], [0.6, 0.8]], [[0, 1], [1, 1]]),
        fake_run(["3"], [[0.5, 0.5]], [[0, 0]]),
        fake_run(["2", "3", "1"], [[0.8, 0.6], [0.1, 0.3], [0.4, 0.2]], [[1, 1], [0, 0], [0, 1]]),
    ]
    monkeypatch.setattr(out_of_fold, "read_crossval", lambda _: SimpleNamespace(runs=runs))
    found = from_crossval(Path("crossval"))
    assert (found.ids, found.tags) == (("1", "2", "3"), ("a", "b"))
    np.testing.assert_allclose(found.probs_NK, [[0.3, 0.3], [0.7, 0.7], [0.3, 0.4]])
    assert found.y_NK.tolist() == [[0, 1], [1, 1], [0, 0]]
    for odd, expected in (
        (fake_run(["1"], [[0.5, 0.5]], [[1, 1]]), "the labels of the other runs"),
        (fake_run(["9"], [[0.5]], [[1]], ("a",)), "expected the tags of"),
    ):
        runs.append(odd)
        with pytest.raises(SplitError, match=expected):
            from_crossval(Path("crossval"))
        runs.pop()


def test_a_folder_without_a_cross_validation(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match="expected a cross-validation"):
        from_crossval(tmp_path)
