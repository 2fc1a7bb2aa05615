"""What every combiner of votes promises. N records, K tags, F functions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from tagnet.errors import ConfigError
from tagnet.labeling.weak.combine import COMBINERS, DEFAULT_COMBINER, Combined, Gold, combine
from tagnet.labeling.weak.votes import VoteMatrix, make_matrix

TAGS = ("a", "b", "c", "d")
every_combiner = pytest.mark.parametrize("name", COMBINERS)


def voted(votes_NKF: NDArray[np.int8], may_FK: NDArray[np.bool_] | None = None) -> VoteMatrix:
    """A matrix of dense votes."""
    num_records, num_tags, num_functions = votes_NKF.shape
    record, tag, function = np.nonzero(votes_NKF)
    may = np.ones((num_functions, num_tags), dtype=bool) if may_FK is None else may_FK
    names = tuple(f"f{f}" for f in range(num_functions))
    return make_matrix(
        num_records, TAGS[:num_tags], names, may, function, record, tag, votes_NKF[record, tag, function]
    )


@pytest.fixture
def truth() -> NDArray[np.uint8]:
    return (np.random.default_rng(0).random((120, len(TAGS))) < 0.3).astype(np.uint8)


@pytest.fixture
def dense(truth: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Six functions that speak of two thirds of the cells and are right in 60 to 95 of 100."""
    rng = np.random.default_rng(1)
    right = np.array([0.6, 0.7, 0.8, 0.9, 0.95, 0.85])
    shape = (*truth.shape, len(right))
    said = np.where(rng.random(shape) < right, truth[..., None], 1 - truth[..., None])
    return np.where(rng.random(shape) < 2 / 3, 2 * said.astype(np.int8) - 1, 0).astype(np.int8)


@pytest.fixture
def gold(truth: NDArray[np.uint8]) -> Gold:
    known = np.zeros(truth.shape, dtype=bool)
    known[:40] = True
    return Gold(np.where(known, truth, 0).astype(np.uint8), known)


def nothing_known(shape: tuple[int, int]) -> Gold:
    return Gold(np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=bool))


@every_combiner
@pytest.mark.parametrize("with_gold", [True, False])
def test_probabilities_are_probabilities_and_say_something(
    name: str, with_gold: bool, dense: NDArray[np.int8], gold: Gold, truth: NDArray[np.uint8]
) -> None:
    found = combine(name, voted(dense), gold if with_gold else None)
    assert found.probs_NK.shape == truth.shape == found.known_NK.shape
    assert np.isfinite(found.probs_NK).all()
    assert ((found.probs_NK >= 0) & (found.probs_NK <= 1)).all()
    assert found.known_NK.all()
    hidden = found.probs_NK[40:]
    assert hidden[truth[40:] == 1].mean() > hidden[truth[40:] == 0].mean() + 0.1


@every_combiner
def test_gold_is_kept(name: str, dense: NDArray[np.int8], gold: Gold) -> None:
    found = combine(name, voted(dense), gold)
    assert np.array_equal(found.probs_NK[gold.known_NK], gold.y_NK[gold.known_NK])


@every_combiner
def test_all_known_gives_the_gold(name: str, dense: NDArray[np.int8], truth: NDArray[np.uint8]) -> None:
    found = combine(name, voted(dense), Gold(truth, np.ones(truth.shape, dtype=bool)))
    assert np.array_equal(found.probs_NK, truth)


@every_combiner
def test_none_known_is_as_no_gold(name: str, dense: NDArray[np.int8]) -> None:
    without = combine(name, voted(dense))
    found = combine(name, voted(dense), nothing_known(dense.shape[:2]))
    assert np.allclose(found.probs_NK, without.probs_NK)


@every_combiner
def test_the_order_of_records_does_not_matter(name: str, dense: NDArray[np.int8]) -> None:
    order = np.random.default_rng(3).permutation(len(dense))
    assert_close(combine(name, voted(dense[order])).probs_NK, combine(name, voted(dense)).probs_NK[order], name)


@every_combiner
def test_the_order_of_functions_does_not_matter(name: str, dense: NDArray[np.int8]) -> None:
    turned = combine(name, voted(np.ascontiguousarray(dense[:, :, ::-1])))
    assert_close(turned.probs_NK, combine(name, voted(dense)).probs_NK, name)


def assert_close(found: NDArray[np.float64], expected: NDArray[np.float64], name: str) -> None:
    # snorkel starts from random numbers, a function each, and stops after a fixed number of steps.
    tolerance = 0.15 if name == "snorkel" else 1e-6
    assert np.abs(found - expected).max() <= tolerance


@every_combiner
def test_the_same_seed_gives_the_same(name: str, dense: NDArray[np.int8], gold: Gold) -> None:
    first, second = (combine(name, voted(dense), gold, seed=5) for _ in range(2))
    assert np.array_equal(first.probs_NK, second.probs_NK)


@every_combiner
@pytest.mark.parametrize("num_records", [0, 1])
def test_no_record_and_one_record(name: str, num_records: int, dense: NDArray[np.int8]) -> None:
    found = combine(name, voted(dense[:num_records]), nothing_known((num_records, len(TAGS))))
    assert found.probs_NK.shape == (num_records, len(TAGS))
    assert ((found.probs_NK >= 0) & (found.probs_NK <= 1)).all()


@every_combiner
def test_silence_everywhere_is_not_a_tag(name: str) -> None:
    found = combine(name, voted(np.zeros((10, 4, 5), dtype=np.int8)))
    assert (found.probs_NK <= 0.5).all()


@every_combiner
def test_tags_that_nobody_may_vote_for_are_unknown(name: str, dense: NDArray[np.int8], gold: Gold) -> None:
    may = np.ones((dense.shape[2], len(TAGS)), dtype=bool)
    may[:, 3] = False
    silent = dense.copy()
    silent[:, 3] = 0
    found = combine(name, voted(silent, may), gold)
    assert not found.known_NK[40:, 3].any()
    assert found.known_NK[:40, 3].all()
    assert found.known_NK[:, :3].all()


def test_em_knows_whom_to_believe(dense: NDArray[np.int8], truth: NDArray[np.uint8], gold: Gold) -> None:
    """Two that lie together outvote one that knows; with gold EM believes the one."""
    rng = np.random.default_rng(4)
    liar = rng.integers(0, 2, truth.shape)
    said = np.stack([truth, liar, liar], axis=-1).astype(np.int8) * 2 - 1
    votes = voted(said)

    def brier(found: Combined) -> float:
        return float(((found.probs_NK - truth)[40:] ** 2).mean())

    assert brier(combine("em", votes, gold)) < 0.02 < brier(combine("majority", votes, gold))


def test_an_unknown_combiner_is_refused(dense: NDArray[np.int8]) -> None:
    with pytest.raises(ConfigError, match="expected union, majority, em, snorkel; found 'majorty'; did you mean maj"):
        combine("majorty", voted(dense))


def test_gold_of_another_shape_is_refused(dense: NDArray[np.int8]) -> None:
    with pytest.raises(ValueError, match=r"gold: expected the votes' records and tags \(120, 4\), found \(3, 4\)"):
        combine("union", voted(dense), nothing_known((3, 4)))


def test_the_default_is_one_of_them() -> None:
    check: Callable[[str], bool] = COMBINERS.__contains__
    assert check(DEFAULT_COMBINER)
