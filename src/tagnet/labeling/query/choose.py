"""The next batch: records, or cells (a record with a tag), that shall be labelled.

Legend: N records of the pool, K tags, C chosen.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagnet.errors import ConfigError
from tagnet.labeling.query.diversity import k_means_rows
from tagnet.labeling.query.greedy import Objective, Product, fill
from tagnet.labeling.query.pool import Bools, Floats, Pool
from tagnet.labeling.query.strategies import SCORED, Strategy, check_needs, ones, parse_strategy

RANDOM_SHARE = 0.1
SHORTLIST = 10
"""The best scores that k-means looks at are so many times the batch (Zhdanov 2019, §3)."""
MOST_CANDIDATES = 20_000
"""Records that a batch is spread over where nothing scores them, or the best scored of a larger pool."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """Rows of the pool, the most wanted first; what was drawn at random comes last."""

    positions: NDArray[np.intp]
    """(C,), each once."""
    is_random: Bools
    """(C,), which were drawn at random: those that an unbiased estimate of quality may use."""

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True, eq=False)
class ChosenCells:
    """Cells of the pool, the most wanted first; what was drawn at random comes last."""

    positions: NDArray[np.intp]
    """(C,), rows."""
    tags: NDArray[np.intp]
    """(C,), columns."""
    is_random: Bools
    """(C,)."""

    def __len__(self) -> int:
        return len(self.positions)


def choose(strategy: str, pool: Pool, batch_size: int, seed: int, random_share: float = RANDOM_SHARE) -> Chosen:
    """The records to label next.

    First the random share is drawn, from all that can be asked; then the strategy fills the batch from the rest. The
    same records are chosen in whatever order they stand, and the seed decides between equals: the pool is brought into
    an order that depends on seed and content alone.

    Args:
        strategy: one of `strategies.strategy_names()`.
        pool: N records; those of which every cell is known are passed over.
        batch_size: how many; fewer where the pool has no more.
        seed: of the random share and of the order of equals.
        random_share: share of the batch, rounded up.

    Raises:
        ConfigError: there is no such strategy, the pool lacks what it needs, or a number is out of its range.

    >>> pool = Pool(np.array([[0.9], [0.5], [0.1]]), np.array([0.5]), np.array([1]))
    >>> choose("entropy_max", pool, 1, seed=0, random_share=0.0).positions.tolist()
    [1]
    """
    parsed = parse_strategy(strategy)
    _check_numbers(batch_size, random_share)
    check_needs(parsed, pool)
    order_N = _order(pool, seed)
    order_N = order_N[pool.open_N[order_N]]
    if not len(order_N):
        return Chosen(np.zeros(0, dtype=np.intp), np.zeros(0, dtype=bool))
    num_random = _num_random(parsed, batch_size, random_share, len(order_N))
    rows = np.arange(len(order_N))  # the order is a random one
    at_random, rest = rows[:num_random], rows[num_random:]
    wanted = min(batch_size, len(order_N)) - num_random
    by_strategy = rest[:0]
    if wanted > 0:
        sorted_pool = pool.take(order_N)
        by_strategy = _by_strategy(parsed, sorted_pool, at_random, rest, wanted, seed)
    return Chosen(
        order_N[np.concatenate([by_strategy, at_random])],
        np.concatenate([np.zeros(len(by_strategy), dtype=bool), np.ones(len(at_random), dtype=bool)]),
    )


def choose_cells(
    strategy: str, pool: Pool, batch_size: int, seed: int, random_share: float = RANDOM_SHARE
) -> ChosenCells:
    """The cells (a record with a tag) to ask next, as `choose` does for records; without diversity.

    Raises:
        ConfigError: as `choose`, or the strategy spreads records.

    >>> pool = Pool(np.array([[0.9, 0.2], [0.4, 0.1]]), np.array([0.5, 0.5]), np.array([1, 1]))
    >>> cells = choose_cells("least_confidence", pool, 2, seed=0, random_share=0.0)
    >>> list(zip(cells.positions.tolist(), cells.tags.tolist()))
    [(1, 0), (0, 1)]
    """
    parsed = parse_strategy(strategy)
    if parsed.spread is not None:
        raise ConfigError(
            f"strategy {strategy}: it spreads whole records; for cells expected random, {', '.join(SCORED)}"
        )
    _check_numbers(batch_size, random_share)
    check_needs(parsed, pool)
    order_N = _order(pool, seed)
    sorted_pool = pool.take(order_N)
    open_cells = np.flatnonzero(sorted_pool.open_NK.ravel())
    shuffled = np.random.default_rng(seed).permutation(open_cells)
    num_random = _num_random(parsed, batch_size, random_share, len(open_cells))
    at_random, rest = shuffled[:num_random], shuffled[num_random:]
    wanted = min(batch_size, len(open_cells)) - num_random
    by_strategy = rest[:0]
    if parsed.scored is not None and wanted > 0:
        if parsed.scored.fill_cells is not None:
            by_strategy = parsed.scored.fill_cells(sorted_pool, rest, wanted)
        else:
            scores = parsed.scored.cells(sorted_pool).ravel()[rest]
            by_strategy = rest[np.argsort(-scores, kind="stable")[:wanted]]
    rows, tags = np.divmod(np.concatenate([by_strategy, at_random]), pool.num_tags)
    return ChosenCells(
        order_N[rows].astype(np.intp),
        tags.astype(np.intp),
        np.concatenate([np.zeros(len(by_strategy), dtype=bool), np.ones(len(at_random), dtype=bool)]),
    )


def _by_strategy(
    strategy: Strategy,
    pool: Pool,
    at_random: NDArray[np.intp],
    candidates: NDArray[np.intp],
    wanted: int,
    seed: int,
) -> NDArray[np.intp]:
    """`wanted` of the candidates, knowing what was drawn at random."""
    scored = None if strategy.scored is None else strategy.scored.records(pool)
    scores_N = ones(pool) if scored is None else scored.gains()
    if strategy.spread is not None:
        most = MOST_CANDIDATES if strategy.spread.records is not None or scored is None else SHORTLIST * wanted
        candidates = _best(scores_N, candidates, max(most, wanted))
    if strategy.spread is not None and strategy.spread.records is None:
        return k_means_rows(pool, scores_N, candidates, wanted, seed)
    kept = np.concatenate([at_random, candidates])
    small = pool.take(kept)
    parts: list[Objective] = []
    if strategy.scored is not None:
        parts.append(strategy.scored.records(small))
    if strategy.spread is not None and strategy.spread.records is not None:
        parts.append(strategy.spread.records(small))
    objective = Product(parts)
    for row in range(len(at_random)):
        objective.add(row)
    return kept[fill(objective, np.arange(len(at_random), len(kept)), wanted)]


def _best(scores_N: Floats, candidates: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """The best scored candidates, in their own order."""
    return candidates[np.sort(np.argsort(-scores_N[candidates], kind="stable")[:most])]


def _order(pool: Pool, seed: int) -> NDArray[np.intp]:
    """All rows in an order that depends on seed and content alone, and not on where they stand.

    Rows of equal content are told apart by how many of them came before, so that they are not neighbours.
    """
    seen: dict[bytes, int] = {}
    keys = []
    parts = [pool.probs_NK, pool.embeddings_ND, pool.open_NK]
    arrays = [np.ascontiguousarray(part) for part in parts if part is not None]
    start = hashlib.blake2b(str(seed).encode(), digest_size=16)
    for row in range(pool.num_records):
        content = b"".join(array[row].tobytes() for array in arrays)
        if pool.members_ENK is not None:
            content += pool.members_ENK[:, row].tobytes()
        digest = start.copy()
        digest.update(content)
        key = digest.digest()
        seen[key] = times = seen.get(key, -1) + 1
        if times:
            digest.update(str(times).encode())
            key = digest.digest()
        keys.append(key)
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.intp)


def _num_random(strategy: Strategy, batch_size: int, random_share: float, available: int) -> int:
    most = min(batch_size, available)
    if strategy.scored is None and strategy.spread is None:
        return most
    return min(most, math.ceil(round(random_share * batch_size, 9)))


def _check_numbers(batch_size: int, random_share: float) -> None:
    if batch_size < 1:
        raise ConfigError(f"batch size: expected at least 1, found {batch_size}")
    if not 0 <= random_share <= 1:
        raise ConfigError(f"random share: expected 0 to 1, found {random_share}")
