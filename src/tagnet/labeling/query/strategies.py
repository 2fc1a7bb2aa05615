"""The strategies by name: what each is, what it needs, how it chooses.

A strategy chooses by scores of its own, or by diversity, or by both: `entropy_mean+k_means` takes what is uncertain and
spread. Scores come first, diversity second.

Legend: N records, K tags.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tagnet.errors import ConfigError, nearest
from tagnet.labeling.query.disagreement import bald_cells, kl_cells, vote_entropy_cells
from tagnet.labeling.query.diversity import CoreSet, Coverage
from tagnet.labeling.query.greedy import Objective, ScarceGain, StaticScores, fill_scarce_cells, scarce_cells
from tagnet.labeling.query.pool import Floats, Pool
from tagnet.labeling.query.uncertainty import (
    entropy_cells,
    entropy_max,
    entropy_mean,
    entropy_scarce,
    least_confidence,
    least_confidence_cells,
    margin,
    margin_cells,
    scarcity,
)

DEFAULT_STRATEGY = "gain_scarce+coverage"
RANDOM = "random"
K_MEANS = "k_means"

Needs = Literal["embeddings_ND", "members_ENK"]


@dataclass(frozen=True)
class Scored:
    """A strategy that has an opinion of each record."""

    summary: str
    records: Callable[[Pool], Objective]
    cells: Callable[[Pool], Floats]
    """(N, K), at least 0."""
    needs: Needs | None = None
    fill_cells: Callable[[Pool, NDArray[np.intp], int], NDArray[np.intp]] | None = None
    """Chooses among places of cells; None: the best of `cells`."""


@dataclass(frozen=True)
class Spread:
    """A strategy that spreads a batch over the embeddings."""

    summary: str
    records: Callable[[Pool], Objective] | None
    """None: not one record after the other, see `diversity.k_means_rows`."""
    needs: Needs = "embeddings_ND"


def _static(scores: Callable[[Pool], Floats]) -> Callable[[Pool], Objective]:
    return lambda pool: StaticScores(scores(pool))


def _mean(cells: Callable[[Pool], Floats]) -> Callable[[Pool], Objective]:
    return lambda pool: StaticScores(cells(pool).mean(axis=1))


SCORED: Mapping[str, Scored] = {
    "gain_scarce": Scored(
        "expected gain for tags of which few are labelled", ScarceGain, scarce_cells, None, fill_scarce_cells
    ),
    "entropy_mean": Scored("mean entropy of the tags", _static(entropy_mean), entropy_cells),
    "entropy_max": Scored("entropy of the least certain tag", _static(entropy_max), entropy_cells),
    "entropy_scarce": Scored(
        "mean entropy, scarce tags weighted up",
        _static(entropy_scarce),
        lambda pool: entropy_cells(pool) * scarcity(pool),
    ),
    "least_confidence": Scored(
        "improbability of the likeliest set of tags", _static(least_confidence), least_confidence_cells
    ),
    "margin": Scored("nearness of a tag to its threshold", _static(margin), margin_cells),
    "bald": Scored("what the answer tells about the members", _mean(bald_cells), bald_cells, "members_ENK"),
    "vote_entropy": Scored(
        "entropy of the members' votes", _mean(vote_entropy_cells), vote_entropy_cells, "members_ENK"
    ),
    "kl": Scored("divergence of the members from the model", _mean(kl_cells), kl_cells, "members_ENK"),
}
SPREAD: Mapping[str, Spread] = {
    "coverage": Spread("what brings the pool nearest to what is labelled", Coverage),
    "core_set": Spread("the farthest from what is labelled", CoreSet),
    K_MEANS: Spread("the middle of each cluster", None),
}


@dataclass(frozen=True)
class Strategy:
    """A strategy's name, taken apart; neither part: random."""

    name: str
    scored: Scored | None
    spread: Spread | None

    @property
    def needs(self) -> frozenset[Needs]:
        """The fields of the pool that must not be None."""
        return frozenset(part.needs for part in (self.scored, self.spread) if part is not None and part.needs)


def strategy_names() -> tuple[str, ...]:
    """Every strategy, alone and combined.

    >>> "bald" in strategy_names(), "margin+core_set" in strategy_names(), len(strategy_names())
    (True, True, 40)
    """
    combined = [f"{scored}+{spread}" for scored in SCORED for spread in SPREAD]
    return (RANDOM, *SCORED, *SPREAD, *combined)


def parse_strategy(name: str) -> Strategy:
    """The strategy of a name.

    Raises:
        ConfigError: there is none; the nearest one is named.

    >>> sorted(parse_strategy("bald+k_means").needs)
    ['embeddings_ND', 'members_ENK']
    """
    if name not in strategy_names():
        raise ConfigError(
            f"strategy: expected {RANDOM}, {', '.join([*SCORED, *SPREAD])}, or SCORES+DIVERSITY such as "
            f"{DEFAULT_STRATEGY}; found {name!r}{nearest(name, strategy_names())}"
        )
    first, _, second = name.partition("+")
    return Strategy(name, SCORED.get(first), SPREAD.get(second or first))


def check_needs(strategy: Strategy, pool: Pool) -> None:
    """Refuse a pool that lacks what the strategy reads.

    Raises:
        ConfigError: it has no embeddings, or no ensemble of at least two.
    """
    if "embeddings_ND" in strategy.needs and pool.embeddings_ND is None:
        raise ConfigError(f"strategy {strategy.name}: expected embeddings of the pool, found none")
    if "members_ENK" in strategy.needs:
        found = 0 if pool.members_ENK is None else len(pool.members_ENK)
        if found < 2:
            raise ConfigError(
                f"strategy {strategy.name}: expected at least two members of an ensemble, found {found or 'none'}"
            )


def ones(pool: Pool) -> Floats:
    """The scores where there is no opinion: 1 for each record, (N,)."""
    return np.ones(pool.num_records)
