"""What the strategies prefer, on pools small enough to see it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagnet.labeling.query import diversity
from tagnet.labeling.query.choose import choose, choose_cells
from tagnet.labeling.query.disagreement import bald_cells, kl_cells, vote_entropy_cells
from tagnet.labeling.query.pool import Pool
from tagnet.labeling.query.strategies import SCORED
from tagnet.labeling.query.uncertainty import binary_entropy, least_confidence, margin


def pool_of(probs: Any, counts: Any = None, **more: Any) -> Pool:
    probs_NK = np.asarray(probs, dtype=np.float64)
    K = probs_NK.shape[1]
    return Pool(probs_NK, np.full(K, 0.5), np.zeros(K) if counts is None else np.asarray(counts), **more)


def first(strategy: str, pool: Pool, count: int = 1) -> list[int]:
    return [int(row) for row in choose(strategy, pool, count, seed=0, random_share=0.0).positions]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_entropy_is_between_0_and_1_and_the_same_for_yes_and_no(probs: list[float]) -> None:
    entropy = binary_entropy(np.array(probs))
    assert ((entropy >= 0) & (entropy <= 1 + 1e-9)).all()
    np.testing.assert_allclose(entropy, binary_entropy(1 - np.array(probs)), atol=1e-9)


def test_uncertain_records_come_first() -> None:
    pool = pool_of([[0.9, 0.1], [0.5, 0.5], [0.5, 0.0], [0.99, 0.01]])
    for name in ("entropy_mean", "least_confidence", "margin"):
        assert first(name, pool, 4)[0] in (1, 2), name
    assert first("entropy_mean", pool) == [1]
    assert first("least_confidence", pool) == [1]
    assert set(first("entropy_max", pool, 2)) == {1, 2}


def test_least_confidence_is_that_of_the_whole_set_of_tags() -> None:
    np.testing.assert_allclose(least_confidence(pool_of([[0.9, 0.2]])), 1 - 0.9 * 0.8)


def test_margin_is_to_the_threshold_and_not_to_one_half() -> None:
    pool = Pool(np.array([[0.1], [0.5]]), np.array([0.1]), np.array([1]))
    np.testing.assert_allclose(margin(pool)[0], 1)
    assert margin(pool)[1] < 0.5


def test_scarce_tags_are_preferred_and_a_batch_is_not_filled_with_one() -> None:
    pool = pool_of([[0.5, 0.0], [0.5, 0.0], [0.0, 0.5], [0.0, 0.4]], [0, 1])
    assert first("gain_scarce", pool_of([[0.5, 0.0], [0.0, 0.5]], [100, 1])) == [1]
    batch = first("gain_scarce", pool, 3)
    assert batch[0] in (0, 1)
    assert 2 in batch
    assert first("entropy_scarce", pool_of([[0.5, 0.0], [0.0, 0.5]], [100, 1])) == [1]


def test_cells_of_scarce_tags_take_turns() -> None:
    pool = pool_of(np.tile([0.5, 0.45], (20, 1)), [1, 1])
    cells = choose_cells("gain_scarce", pool, 10, seed=0, random_share=0.0)
    assert sorted(np.bincount(cells.tags).tolist()) == [5, 5]


def test_answered_cells_are_worth_nothing() -> None:
    known_NK = np.array([[True, False], [False, False]])
    members = np.array([[[0.1, 0.01], [0.4, 0.6]], [[0.9, 0.01], [0.6, 0.6]]])
    pool = pool_of([[0.5, 0.01], [0.4, 0.4]], known_NK=known_NK, members_ENK=members)
    for name, scored in SCORED.items():
        cells_NK = scored.cells(pool)
        assert cells_NK[0, 0] == 0, name
        assert (cells_NK >= 0).all(), name
        assert first(name, pool) == [1], name


def test_members_that_agree_tell_nothing_and_members_that_contradict_a_bit() -> None:
    members = np.array([[[0.0, 0.5]], [[1.0, 0.5]]])
    pool = pool_of([[0.5, 0.5]], members_ENK=members)
    np.testing.assert_allclose(bald_cells(pool), [[1, 0]], atol=1e-9)
    np.testing.assert_allclose(vote_entropy_cells(pool), [[1, 0]], atol=1e-9)
    assert kl_cells(pool)[0, 0] == pytest.approx(1, abs=1e-6)
    assert kl_cells(pool)[0, 1] == pytest.approx(0, abs=1e-9)


def test_core_set_takes_the_farthest_and_then_the_farthest_from_both() -> None:
    angles = np.radians([0, 5, 90, 180])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    pool = pool_of(np.full((4, 1), 0.5), embeddings_ND=vectors, labelled_embeddings_MD=vectors[:1])
    assert first("core_set", pool, 2) == [3, 2]


def test_coverage_takes_what_stands_for_most_and_leaves_what_is_covered() -> None:
    vectors = np.repeat(np.eye(3), [10, 5, 1], axis=0)
    pool = pool_of(np.full((16, 1), 0.5), embeddings_ND=vectors)
    assert [0 if row < 10 else 1 if row < 15 else 2 for row in first("coverage", pool, 3)] == [0, 1, 2]
    labelled = pool_of(np.full((16, 1), 0.5), embeddings_ND=vectors, labelled_embeddings_MD=np.eye(3)[:1])
    assert first("coverage", labelled)[0] >= 10


def test_k_means_takes_one_of_each_cluster() -> None:
    random = np.random.default_rng(0)
    vectors = np.repeat(np.eye(4), 10, axis=0) + random.normal(scale=0.01, size=(40, 4))
    rows = first("k_means", pool_of(np.full((40, 1), 0.5), embeddings_ND=vectors), 4)
    assert sorted(row // 10 for row in rows) == [0, 1, 2, 3]


def test_coverage_of_a_large_pool_is_measured_on_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diversity, "MOST_REFERENCES", 20)
    random = np.random.default_rng(0)
    vectors = np.repeat(np.eye(3), 40, axis=0) + random.normal(scale=0.01, size=(120, 3))
    pool = pool_of(random.random((120, 1)), embeddings_ND=vectors)
    assert sorted(row // 40 for row in first("coverage", pool, 3)) == [0, 1, 2]
