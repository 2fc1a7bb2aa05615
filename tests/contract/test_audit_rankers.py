"""Every ranker of suspect labels keeps the same promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tagnet.labeling.audit import KINDS, RANKERS, rank_cells

Case = tuple[NDArray[np.float64], NDArray[np.uint8]]


@pytest.fixture
def case() -> Case:
    """60 records, 4 tags: labels that follow the probabilities, one tag that nobody bears, one that all do."""
    rng = np.random.default_rng(0)
    probs_NK = rng.random((60, 4))
    y_NK = (rng.random((60, 4)) < probs_NK).astype(np.uint8)
    y_NK[:, 2], y_NK[:, 3] = 0, 1
    return probs_NK, y_NK


def cells(found: Any) -> list[tuple[int, int]]:
    return list(zip(found.rows_C.tolist(), found.columns_C.tolist(), strict=True))


@pytest.mark.parametrize("ranker", RANKERS)
def test_every_known_cell_is_ranked_once(ranker: str, case: Case) -> None:
    probs_NK, y_NK = case
    found = rank_cells(probs_NK, y_NK, ranker=ranker)
    assert sorted(cells(found)) == [(n, k) for n in range(60) for k in range(4)]
    assert found.rows_C.shape == found.columns_C.shape == found.missing_C.shape == found.suspicion_C.shape == (240,)
    assert np.isfinite(found.suspicion_C).all()
    assert (np.diff(found.suspicion_C) <= 0).all()
    assert (found.missing_C == (y_NK[found.rows_C, found.columns_C] == 0)).all()


@pytest.mark.parametrize("ranker", RANKERS)
def test_kinds_share_the_cells_out_and_the_budget_cuts(ranker: str, case: Case) -> None:
    both, missing, spurious = (rank_cells(*case, ranker=ranker, kind=kind) for kind in KINDS)
    assert missing.missing_C.all()
    assert not spurious.missing_C.any()
    assert [cell for cell in cells(both) if cell in set(cells(missing))] == cells(missing)
    assert sorted(cells(missing) + cells(spurious)) == sorted(cells(both))
    for budget in (0, 1, 7, 1000):
        assert cells(rank_cells(*case, ranker=ranker, budget=budget)) == cells(both)[:budget]


@pytest.mark.parametrize("ranker", RANKERS)
def test_the_order_of_records_and_tags_does_not_matter(ranker: str, case: Case) -> None:
    probs_NK, y_NK = case
    rng = np.random.default_rng(1)
    rows, columns = rng.permutation(60), rng.permutation(4)
    found = rank_cells(probs_NK, y_NK, ranker=ranker)
    moved = rank_cells(probs_NK[rows][:, columns], y_NK[rows][:, columns], ranker=ranker)
    suspicion = dict(zip(cells(found), found.suspicion_C.tolist(), strict=True))
    back = [(int(rows[n]), int(columns[k])) for n, k in cells(moved)]
    assert [suspicion[cell] for cell in back] == pytest.approx(moved.suspicion_C.tolist())
    # What is not equally suspect comes in the same order.
    clear = {s for s in suspicion.values() if list(suspicion.values()).count(s) == 1}
    assert [c for c in back if suspicion[c] in clear] == [c for c in cells(found) if suspicion[c] in clear]


@pytest.mark.parametrize("ranker", RANKERS)
def test_equals_are_ordered_by_the_seed(ranker: str) -> None:
    probs_NK, y_NK = np.full((30, 2), 0.3), np.tile([[1, 0], [0, 1]], (15, 1))
    orders = [cells(rank_cells(probs_NK, y_NK, ranker=ranker, seed=seed)) for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize("ranker", RANKERS)
def test_unknown_cells_are_neither_ranked_nor_looked_at(ranker: str, case: Case) -> None:
    probs_NK, y_NK = case
    known_NK = np.random.default_rng(2).random(y_NK.shape) < 0.7
    found = rank_cells(probs_NK, y_NK, known_NK, ranker=ranker)
    assert set(cells(found)) == set(zip(*map(np.ndarray.tolist, np.nonzero(known_NK)), strict=True))
    other_probs, other_y = np.where(known_NK, probs_NK, np.nan), np.where(known_NK, y_NK, 1 - y_NK)
    same = rank_cells(other_probs, other_y, known_NK, ranker=ranker)
    assert cells(same) == cells(found)
    everything = rank_cells(probs_NK, y_NK, np.ones_like(known_NK), ranker=ranker)
    assert cells(everything) == cells(rank_cells(probs_NK, y_NK, ranker=ranker))
    assert len(rank_cells(probs_NK, y_NK, np.zeros_like(known_NK), ranker=ranker)) == 0


@pytest.mark.parametrize("ranker", RANKERS)
@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (1, 1), (5, 0), (0, 0)])
def test_next_to_nothing(ranker: str, shape: tuple[int, int]) -> None:
    for label in (0, 1):
        found = rank_cells(np.full(shape, 0.4), np.full(shape, label), ranker=ranker)
        assert len(found) == shape[0] * shape[1]
        assert found.missing_C.sum() == (len(found) if label == 0 else 0)


@pytest.mark.parametrize("ranker", RANKERS)
def test_the_more_improbable_label_of_a_tag_is_the_more_suspect(ranker: str) -> None:
    rng = np.random.default_rng(3)
    probs_N1 = rng.permutation(np.linspace(0.02, 0.98, 50))[:, None]
    y_N1 = (probs_N1 > 0.5).astype(np.uint8)
    wrong = {"spurious": int(probs_N1.argmin()), "missing": int(probs_N1.argmax())}
    for row in wrong.values():
        y_N1[row] = 1 - y_N1[row]
    for kind, row in wrong.items():
        assert rank_cells(probs_N1, y_N1, ranker=ranker, kind=kind, budget=1).rows_C.tolist() == [row]  # type: ignore[arg-type]
