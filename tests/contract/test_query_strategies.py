"""What holds for every strategy that chooses what to label next."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tagnet.errors import ConfigError
from tagnet.labeling.query.choose import choose, choose_cells
from tagnet.labeling.query.pool import Pool
from tagnet.labeling.query.strategies import DEFAULT_STRATEGY, RANDOM, SCORED, SPREAD, parse_strategy, strategy_names

N, K = 60, 5
every_strategy = pytest.mark.parametrize("name", strategy_names())
every_cell_strategy = pytest.mark.parametrize("name", [RANDOM, *SCORED])


def pool_of(num_records: int = N, seed: int = 0) -> Pool:
    random = np.random.default_rng(seed)
    members_ENK = random.random((3, num_records, K))
    return Pool(
        probs_NK=members_ENK.mean(axis=0) ** 2,
        thresholds_K=np.full(K, 0.4),
        counts_K=np.array([50, 20, 8, 2, 0]),
        embeddings_ND=random.normal(size=(num_records, 8)),
        labelled_embeddings_MD=random.normal(size=(7, 8)),
        members_ENK=members_ENK,
    )


def test_every_part_has_a_name_and_the_default_is_one() -> None:
    assert len(strategy_names()) == 1 + len(SCORED) + len(SPREAD) + len(SCORED) * len(SPREAD)
    assert DEFAULT_STRATEGY in strategy_names()


@every_strategy
def test_a_batch_has_its_size_each_record_once_and_its_random_share(name: str) -> None:
    chosen = choose(name, pool_of(), 20, seed=3, random_share=0.1)
    assert chosen.positions.shape == chosen.is_random.shape == (20,)
    assert len(set(chosen.positions.tolist())) == 20
    assert chosen.positions.min() >= 0
    assert chosen.positions.max() < N
    assert chosen.is_random.sum() == (20 if name == RANDOM else 2)


@every_strategy
def test_the_order_of_the_pool_does_not_matter(name: str) -> None:
    pool, order = pool_of(), np.random.default_rng(5).permutation(N)
    first = choose(name, pool, 15, seed=1)
    other = choose(name, pool.take(order), 15, seed=1)
    assert order[other.positions].tolist() == first.positions.tolist()
    assert other.is_random.tolist() == first.is_random.tolist()


@every_strategy
def test_the_same_seed_chooses_the_same(name: str) -> None:
    assert choose(name, pool_of(), 15, seed=1).positions.tolist() == choose(name, pool_of(), 15, 1).positions.tolist()


@every_strategy
def test_equals_are_told_apart_by_the_seed(name: str) -> None:
    pool = pool_of(1).take(np.zeros(N, dtype=np.intp))
    batches = {tuple(sorted(choose(name, pool, 6, seed=seed).positions.tolist())) for seed in range(5)}
    assert len(batches) > 1
    assert all(len(set(batch)) == 6 for batch in batches)


@every_strategy
def test_an_empty_pool_gives_nothing(name: str) -> None:
    chosen = choose(name, pool_of(0), 5, seed=0)
    assert len(chosen) == 0
    assert chosen.positions.dtype == np.intp


@every_strategy
def test_one_record_is_chosen(name: str) -> None:
    assert choose(name, pool_of(1), 5, seed=0).positions.tolist() == [0]
    assert choose(name, pool_of(1), 5, seed=0, random_share=0.0).positions.tolist() == [0]


@every_strategy
def test_a_pool_smaller_than_the_batch_is_chosen_whole(name: str) -> None:
    assert sorted(choose(name, pool_of(9), 50, seed=0).positions.tolist()) == list(range(9))


@every_strategy
def test_no_cell_known_is_as_no_mask_and_all_known_gives_nothing(name: str) -> None:
    pool = pool_of()
    none_known = replace(pool, known_NK=np.zeros((N, K), dtype=bool))
    assert choose(name, none_known, 10, seed=2).positions.tolist() == choose(name, pool, 10, 2).positions.tolist()
    assert len(choose(name, replace(pool, known_NK=np.ones((N, K), dtype=bool)), 10, seed=2)) == 0


@every_strategy
def test_records_of_which_all_is_known_are_passed_over(name: str) -> None:
    known_NK = np.zeros((N, K), dtype=bool)
    known_NK[:40] = True
    chosen = choose(name, replace(pool_of(), known_NK=known_NK), 30, seed=0)
    assert sorted(chosen.positions.tolist()) == list(range(40, N))


@every_strategy
def test_the_pool_is_not_written_to(name: str) -> None:
    pool = pool_of()
    for array in (pool.probs_NK, pool.counts_K, pool.embeddings_ND, pool.labelled_embeddings_MD, pool.members_ENK):
        assert array is not None
        array.flags.writeable = False
    choose(name, pool, 10, seed=0)


@every_strategy
def test_what_is_needed_and_missing_is_named(name: str) -> None:
    bare = replace(pool_of(), embeddings_ND=None, labelled_embeddings_MD=None, members_ENK=None)
    if parse_strategy(name).needs:
        with pytest.raises(ConfigError, match=r"embeddings|ensemble"):
            choose(name, bare, 5, seed=0)
    else:
        assert len(choose(name, bare, 5, seed=0)) == 5


@every_strategy
def test_numbers_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="batch size: expected at least 1, found 0"):
        choose(name, pool_of(), 0, seed=0)
    with pytest.raises(ConfigError, match="random share: expected 0 to 1, found 2"):
        choose(name, pool_of(), 5, seed=0, random_share=2)


@every_cell_strategy
def test_cells_are_open_each_once_and_have_their_random_share(name: str) -> None:
    known_NK = np.random.default_rng(1).random((N, K)) < 0.5
    chosen = choose_cells(name, replace(pool_of(), known_NK=known_NK), 40, seed=0)
    assert len({*zip(chosen.positions.tolist(), chosen.tags.tolist(), strict=True)}) == len(chosen) == 40
    assert not known_NK[chosen.positions, chosen.tags].any()
    assert chosen.is_random.sum() == (40 if name == RANDOM else 4)


@every_cell_strategy
def test_cells_do_not_depend_on_the_order_of_the_pool(name: str) -> None:
    pool, order = pool_of(), np.random.default_rng(5).permutation(N)
    first, other = choose_cells(name, pool, 25, seed=1), choose_cells(name, pool.take(order), 25, seed=1)
    assert order[other.positions].tolist() == first.positions.tolist()
    assert other.tags.tolist() == first.tags.tolist()


@every_cell_strategy
def test_cells_of_empty_small_and_known_pools(name: str) -> None:
    assert len(choose_cells(name, pool_of(0), 5, seed=0)) == 0
    assert len(choose_cells(name, pool_of(1), 50, seed=0)) == K
    assert len(choose_cells(name, replace(pool_of(), known_NK=np.ones((N, K), dtype=bool)), 5, seed=0)) == 0


@pytest.mark.parametrize("name", [*SPREAD, DEFAULT_STRATEGY])
def test_cells_cannot_be_spread(name: str) -> None:
    with pytest.raises(ConfigError, match="it spreads whole records"):
        choose_cells(name, pool_of(), 5, seed=0)
