"""What every finder of slices promises. N records, C conditions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tagnet.errors import ConfigError
from tagnet.evaluation.slices.features import Condition
from tagnet.evaluation.slices.find import DEFAULT_FINDER, FINDERS, find
from tagnet.evaluation.slices.judged import Judged
from tagnet.evaluation.slices.report import slice_report

every_finder = pytest.mark.parametrize("name", FINDERS)
SIZE = 10


@pytest.fixture
def member() -> NDArray[np.bool_]:
    """400 records, eight conditions of different frequency."""
    return np.random.default_rng(0).random((400, 8)) < np.linspace(0.15, 0.6, 8)


@pytest.fixture
def cost(member: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Records that meet conditions 2 and 5 cost more."""
    noise = np.random.default_rng(1).exponential(1.0, len(member))
    return noise + 3.0 * (member[:, 2] & member[:, 5])


def judged_of(cost: NDArray[np.float64], known: NDArray[np.bool_] | None = None, num_tags: int = 2) -> Judged:
    """Records that are as surprising as `cost` asks: the second tag is right, the first is not by as much."""
    number = len(cost)
    probs = np.tile(np.array([0.5, 0.5])[:num_tags], (number, 1))
    labels = np.zeros((number, num_tags), dtype=np.uint8)
    probs[:, 0] = np.clip(1 - np.exp(-cost), 0.001, 0.999)
    texts = tuple(f"text {n}" for n in range(number))
    return Judged(
        ("a", "b")[:num_tags],
        tuple(range(number)),
        texts,
        ({},) * number,
        (None,) * number,
        labels,
        probs,
        probs >= 0.5,
        known,
    )


@every_finder
def test_conjunctions_are_sorted_columns_of_slices_that_are_large_enough(
    name: str, member: NDArray[np.bool_], cost: NDArray[np.float64]
) -> None:
    found = find(name, member, cost, SIZE)
    assert found
    assert len(set(found)) == len(found)
    for each in found:
        assert list(each) == sorted(set(each))
        assert set(each) <= set(range(member.shape[1]))
        assert member[:, list(each)].all(1).sum() >= SIZE


@every_finder
def test_the_bad_corner_is_found(name: str, member: NDArray[np.bool_], cost: NDArray[np.float64]) -> None:
    first = find(name, member, cost, SIZE)[:3]
    wanted = {2, 5}
    if name == "single":
        assert {c for each in first for c in each} >= wanted
    else:
        assert any(wanted <= set(each) for each in first)


@every_finder
def test_the_order_of_records_does_not_matter(name: str, member: NDArray[np.bool_], cost: NDArray[np.float64]) -> None:
    order = np.random.default_rng(2).permutation(len(cost))
    assert find(name, member[order], cost[order], SIZE)[:3] == find(name, member, cost, SIZE)[:3]


@every_finder
def test_the_order_of_conditions_does_not_matter(
    name: str, member: NDArray[np.bool_], cost: NDArray[np.float64]
) -> None:
    order = np.random.default_rng(3).permutation(member.shape[1])
    turned = find(name, member[:, order], cost, SIZE)[:2]
    assert [tuple(sorted(order[list(each)].tolist())) for each in turned] == find(name, member, cost, SIZE)[:2]


@every_finder
def test_ties_go_by_the_seed(name: str, cost: NDArray[np.float64]) -> None:
    twin = np.random.default_rng(4).random((len(cost), 1)) < 0.3
    same = np.repeat(twin, 6, axis=1)
    tied = cost + 2.0 * twin[:, 0]
    firsts = [find(name, same, tied, SIZE, seed=seed)[0] for seed in range(12)]
    assert firsts == [find(name, same, tied, SIZE, seed=seed)[0] for seed in range(12)]
    if name in ("single", "lattice"):
        assert len(set(firsts)) > 2


@every_finder
@pytest.mark.parametrize("number", [0, 1])
def test_no_record_and_one_record_have_no_slice(name: str, number: int, member: NDArray[np.bool_]) -> None:
    assert find(name, member[:number], np.ones(number), SIZE) == []


@every_finder
def test_no_condition_makes_no_slice(name: str, cost: NDArray[np.float64]) -> None:
    assert find(name, np.zeros((len(cost), 0), dtype=bool), cost, SIZE) == []


@every_finder
def test_equal_costs_have_no_bad_slice(name: str, member: NDArray[np.bool_]) -> None:
    assert find(name, member, np.ones(len(member)), SIZE) == []


@every_finder
def test_a_report_finds_it_and_tests_it(name: str, member: NDArray[np.bool_], cost: NDArray[np.float64]) -> None:
    conditions = [Condition("column", f"c{c}", member[:, c]) for c in range(member.shape[1])]
    report = slice_report(judged_of(cost), conditions, finder=name, seed=0)
    assert report.bad
    truth = member[:, 2] & member[:, 5]
    overlaps = [(row.member_N & truth).sum() / (row.member_N | truth).sum() for row in report.rows[:3]]
    assert max(overlaps) >= (0.25 if name == "single" else 0.5)
    assert all(0 < row.p <= 1 and row.p <= row.q <= 1 for row in report.rows)
    assert all(row.f1_low <= row.f1_high for row in report.rows)


@every_finder
def test_cells_that_are_not_known_do_not_count(name: str, member: NDArray[np.bool_], cost: NDArray[np.float64]) -> None:
    conditions = [Condition("column", f"c{c}", member[:, c]) for c in range(member.shape[1])]
    shape = (len(cost), 2)
    everything = slice_report(judged_of(cost, np.ones(shape, dtype=bool)), conditions, finder=name)
    assert [(row.name, row.p) for row in everything.rows] == [
        (row.name, row.p) for row in slice_report(judged_of(cost), conditions, finder=name).rows
    ]
    nothing = slice_report(judged_of(cost, np.zeros(shape, dtype=bool)), conditions, finder=name)
    assert not nothing.bad
    assert all(row.log_loss == 0 == row.f1_micro for row in nothing.rows)


def test_an_unknown_finder_is_refused(member: NDArray[np.bool_], cost: NDArray[np.float64]) -> None:
    with pytest.raises(ConfigError, match=r"--finder: expected single, lattice, .*; found 'latice'; did you mean latt"):
        find("latice", member, cost, SIZE)


def test_conditions_of_other_records_are_refused(member: NDArray[np.bool_], cost: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match=r"expected conditions of 399 records, found \(400, 8\)"):
        find("single", member, cost[1:], SIZE)


def test_the_default_is_one_of_them() -> None:
    assert DEFAULT_FINDER in FINDERS
