"""What every loss promises, and its published value against formulas written out cell by cell in NumPy.

B records in a batch, K tags.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from tagnet.config import (
    AsymmetricConfig,
    BCEConfig,
    ClassBalancedConfig,
    DistributionBalancedConfig,
    FocalConfig,
    LossConfig,
    TwoWayConfig,
    WeightedBCEConfig,
    ZLPRConfig,
)
from tagnet.losses.registry import Loss, make_loss

NUM_RECORDS = 200
POSITIVES_K = np.array([120, 60, 25, 8, 1])
NUM_TAGS = len(POSITIVES_K)

Array = NDArray[np.float64]
Known = NDArray[np.bool_]


def sigma(x: float) -> float:
    return float(1 / (1 + math.exp(-x)))


# ---------------------------------------------------------- the published formulas, one cell or one record at a time


def mean_of_cells(cell: Callable[[int, int], float], known: Known) -> float:
    values = [cell(b, k) for b, k in zip(*np.nonzero(known), strict=True)]
    return float(np.mean(values)) if values else 0.0


def bce(z: Array, y: Array, known: Known) -> float:
    def cell(b: int, k: int) -> float:
        p = sigma(z[b, k])
        return float(-math.log(p) if y[b, k] == 1 else -math.log(1 - p))

    return mean_of_cells(cell, known)


def weighted(positive_K: Array, negative_K: Array) -> Callable[[Array, Array, Known], float]:
    def loss(z: Array, y: Array, known: Known) -> float:
        def cell(b: int, k: int) -> float:
            p = sigma(z[b, k])
            return float(-positive_K[k] * math.log(p) if y[b, k] == 1 else -negative_K[k] * math.log(1 - p))

        return mean_of_cells(cell, known)

    return loss


def effective(n: float, beta: float) -> float:
    return float((1 - beta**n) / (1 - beta))


def focal(gamma: float, alpha: float | None) -> Callable[[Array, Array, Known], float]:
    def loss(z: Array, y: Array, known: Known) -> float:
        def cell(b: int, k: int) -> float:
            p = sigma(z[b, k])
            p_t = p if y[b, k] == 1 else 1 - p
            alpha_t = 1.0 if alpha is None else alpha if y[b, k] == 1 else 1 - alpha
            return float(-alpha_t * (1 - p_t) ** gamma * math.log(p_t))

        return mean_of_cells(cell, known)

    return loss


def asymmetric(gamma_positive: float, gamma_negative: float, clip: float) -> Callable[[Array, Array, Known], float]:
    def loss(z: Array, y: Array, known: Known) -> float:
        def cell(b: int, k: int) -> float:
            p = sigma(z[b, k])
            p_m = max(p - clip, 0)
            if y[b, k] == 1:
                return float(-((1 - p) ** gamma_positive) * math.log(p))
            return float(-(p_m**gamma_negative) * math.log(1 - p_m))

        return mean_of_cells(cell, known)

    return loss


def negative_tolerant_cell(z: float, y: float, positives: int, gamma: float, scale: float, kappa: float) -> float:
    nu = kappa * math.log(NUM_RECORDS / positives - 1)
    if y == 1:
        q = sigma(z - nu)
        return float(-((1 - q) ** gamma) * math.log(q))
    q = sigma(scale * (z - nu))
    return float(-(q**gamma) * math.log(1 - q) / scale)


def distribution_balanced(config: DistributionBalancedConfig) -> Callable[[Array, Array, Known], float]:
    def loss(z: Array, y: Array, known: Known) -> float:
        def cell(b: int, k: int) -> float:
            own = sum(1 / POSITIVES_K[j] for j in range(NUM_TAGS) if known[b, j] and y[b, j] == 1)
            if own == 0:
                weight = config.map_alpha + 1
            else:
                ratio = 1 / POSITIVES_K[k] / own
                weight = config.map_alpha + sigma(config.map_beta * (ratio - config.map_mu))
            args = (POSITIVES_K[k], config.gamma, config.negative_scale, config.bias_shift)
            return float(weight * negative_tolerant_cell(z[b, k], y[b, k], *args))

        return mean_of_cells(cell, known)

    return loss


def class_balanced(config: ClassBalancedConfig) -> Callable[[Array, Array, Known], float]:
    beta = (NUM_RECORDS - 1) / NUM_RECORDS if config.beta is None else config.beta
    raw_K = np.array([1 / effective(n, beta) for n in POSITIVES_K])

    def loss(z: Array, y: Array, known: Known) -> float:
        def cell(b: int, k: int) -> float:
            args = (POSITIVES_K[k], config.gamma, config.negative_scale, config.bias_shift)
            return float(raw_K[k] * NUM_TAGS / raw_K.sum() * negative_tolerant_cell(z[b, k], y[b, k], *args))

        return mean_of_cells(cell, known)

    return loss


def zlpr(z: Array, y: Array, known: Known) -> float:
    values = []
    for b in range(len(z)):
        if not known[b].any():
            continue
        negatives = [z[b, k] for k in range(NUM_TAGS) if known[b, k] and y[b, k] == 0]
        positives = [z[b, k] for k in range(NUM_TAGS) if known[b, k] and y[b, k] == 1]
        values.append(
            math.log(1 + sum(math.exp(s) for s in negatives)) + math.log(1 + sum(math.exp(-s) for s in positives))
        )
    return float(np.mean(values)) if values else 0.0


def two_way(positive_t: float, negative_t: float) -> Callable[[Array, Array, Known], float]:
    def one_way(lines: list[tuple[Array, Array]]) -> float:
        values = []
        for z, y in lines:
            if not (y == 1).any():
                continue
            if (y == 1).all():
                values.append(0.0)
                continue
            negative = sum(math.exp(s / negative_t) for s in z[y == 0]) ** negative_t
            positive = sum(math.exp(-s / positive_t) for s in z[y == 1]) ** positive_t
            values.append(math.log(1 + negative * positive))
        return float(np.mean(values)) if values else 0.0

    def loss(z: Array, y: Array, known: Known) -> float:
        records = [(z[b][known[b]], y[b][known[b]]) for b in range(len(z))]
        tags = [(z[:, k][known[:, k]], y[:, k][known[:, k]]) for k in range(NUM_TAGS)]
        return one_way(records) + one_way(tags)

    return loss


@dataclass(frozen=True)
class Case:
    config: LossConfig
    published: Callable[[Array, Array, Known], float]
    cellwise: bool = True
    """A mean of cells, each linear in its target."""


N, NEGATIVES_K = NUM_RECORDS, NUM_RECORDS - POSITIVES_K
ONES_K = np.ones(NUM_TAGS)
DB = DistributionBalancedConfig(
    name="distribution_balanced",
    gamma=2.0,
    negative_scale=2.0,
    bias_shift=0.05,
    map_alpha=0.1,
    map_beta=10.0,
    map_mu=0.9,
)
CB = ClassBalancedConfig(name="class_balanced", gamma=2.0, negative_scale=2.0, bias_shift=0.05, beta=None)
CB9 = ClassBalancedConfig(name="class_balanced", gamma=0.5, negative_scale=3.0, bias_shift=0.2, beta=0.9)
CASES = {
    "bce": Case(BCEConfig("bce"), bce),
    "inverse": Case(
        WeightedBCEConfig("weighted_bce", "inverse", None, 50.0),
        weighted(np.minimum(NEGATIVES_K / POSITIVES_K, 50), ONES_K),
    ),
    "sqrt_inverse": Case(
        WeightedBCEConfig("weighted_bce", "sqrt_inverse", None, 50.0),
        weighted(np.sqrt(NEGATIVES_K / POSITIVES_K), ONES_K),
    ),
    "effective_number": Case(
        WeightedBCEConfig("weighted_bce", "effective_number", 0.99, 50.0),
        weighted(np.array([min(effective(N - n, 0.99) / effective(n, 0.99), 50) for n in POSITIVES_K]), ONES_K),
    ),
    "count": Case(WeightedBCEConfig("weighted_bce", "count", None, 50.0), weighted(1 / POSITIVES_K, 1 / POSITIVES_K)),
    "focal": Case(FocalConfig("focal", 2.0, None), focal(2.0, None)),
    "focal_alpha": Case(FocalConfig("focal", 0.5, 0.25), focal(0.5, 0.25)),
    "asl": Case(AsymmetricConfig("asl", 0.0, 4.0, 0.05), asymmetric(0.0, 4.0, 0.05)),
    "asl_steep": Case(AsymmetricConfig("asl", 1.0, 0.5, 0.2), asymmetric(1.0, 0.5, 0.2)),
    "asl_unclipped": Case(AsymmetricConfig("asl", 1.0, 2.0, 0.0), asymmetric(1.0, 2.0, 0.0)),
    "distribution_balanced": Case(DB, distribution_balanced(DB), cellwise=False),
    "class_balanced": Case(CB, class_balanced(CB)),
    "class_balanced_beta": Case(CB9, class_balanced(CB9)),
    "zlpr": Case(ZLPRConfig("zlpr"), zlpr, cellwise=False),
    "two_way": Case(TwoWayConfig("two_way", 4.0, 1.0), two_way(4.0, 1.0), cellwise=False),
    "two_way_even": Case(TwoWayConfig("two_way", 1.0, 2.0), two_way(1.0, 2.0), cellwise=False),
}
every_loss = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def build(case: Case) -> Loss:
    return make_loss(case.config, POSITIVES_K, NUM_RECORDS)


def batch(seed: int, size: int = 6, spread: float = 2.0) -> tuple[Array, Array, Known]:
    rng = np.random.default_rng(seed)
    z = rng.normal(scale=spread, size=(size, NUM_TAGS))
    y = (rng.random((size, NUM_TAGS)) < 0.4).astype(np.float64)
    return z, y, rng.random((size, NUM_TAGS)) < 0.7


def value(case: Case, z: Array, y: Array, known: Known | None = None) -> float:
    mask = None if known is None else torch.tensor(known)
    return float(build(case)(torch.tensor(z), torch.tensor(y), mask))


def gradient(loss: Loss, z: Tensor, y: Tensor, known: Tensor | None = None) -> tuple[Tensor, Tensor]:
    z = z.clone().requires_grad_()
    result = loss(z, y, known)
    (grad,) = torch.autograd.grad(result, z)
    return result.detach(), grad


def test_every_loss_that_can_be_configured_is_under_this_contract(repository: Path) -> None:
    names = {yaml.safe_load(path.read_text())["name"] for path in (repository / "conf" / "loss").glob("*.yaml")}
    assert names == {case.config.name for case in CASES.values()}


@every_loss
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 7))
def test_value_at_hard_targets_is_the_published_one(case: Case, seed: int, size: int) -> None:
    z, y, known = batch(seed, size)
    assert value(case, z, y) == pytest.approx(case.published(z, y, np.ones_like(known)), rel=1e-5, abs=1e-9)


@every_loss
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 7))
def test_unknown_cells_are_as_if_they_were_not_there(case: Case, seed: int, size: int) -> None:
    z, y, known = batch(seed, size)
    assert value(case, z, y, known) == pytest.approx(case.published(z, y, known), rel=1e-5, abs=1e-9)


@every_loss
def test_unknown_cells_may_hold_anything(case: Case) -> None:
    z, y, known = (torch.tensor(array) for array in batch(1))
    clean, clean_grad = gradient(build(case), z, y, known)
    dirty_z, dirty_y = torch.where(known, z, torch.nan), torch.where(known, y, torch.nan)
    dirty, dirty_grad = gradient(build(case), dirty_z, dirty_y, known)
    assert dirty == clean
    assert torch.equal(dirty_grad, clean_grad)
    assert (clean_grad[~known] == 0).all()
    assert clean_grad[known].any()


@every_loss
def test_unknown_records_are_as_if_they_were_not_in_the_batch(case: Case) -> None:
    z, y, _ = batch(2)
    known = np.ones_like(y, dtype=bool)
    known[[1, 4]] = False
    assert value(case, z, y, known) == pytest.approx(value(case, z[known[:, 0]], y[known[:, 0]]), rel=1e-6)


@every_loss
def test_all_known_is_the_default(case: Case) -> None:
    z, y, known = batch(3)
    assert value(case, z, y) == value(case, z, y, np.ones_like(known))


@every_loss
def test_nothing_known_is_zero_with_zero_gradients(case: Case) -> None:
    z, y, known = (torch.tensor(array) for array in batch(4))
    result, grad = gradient(build(case), z, y, torch.zeros_like(known))
    assert result == 0
    assert (grad == 0).all()


@every_loss
@pytest.mark.parametrize("target", [0.0, 1.0, 0.3])
@pytest.mark.parametrize("logit", [1e4, -1e4, 88.0, -88.0, 17.0, 0.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extreme_logits_stay_finite(case: Case, logit: float, target: float, dtype: torch.dtype) -> None:
    z = torch.full((3, NUM_TAGS), logit, dtype=dtype)
    z[1] = -logit
    result, grad = gradient(build(case), z, torch.full((3, NUM_TAGS), target))
    assert torch.isfinite(result)
    assert result >= 0
    assert torch.isfinite(grad).all()


@every_loss
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(case: Case, dtype: torch.dtype) -> None:
    z, y, known = (torch.tensor(array) for array in batch(5, size=300))
    z = z.to(dtype)
    half, half_grad = gradient(build(case), z, y.to(dtype), known)
    full, full_grad = gradient(build(case), z.float(), y.float(), known)
    assert half.dtype == torch.float32
    assert half == full
    assert half_grad.dtype == dtype
    torch.testing.assert_close(half_grad.float(), full_grad, rtol=1e-2, atol=1e-6)


@every_loss
def test_gradient_is_the_slope_of_the_value(case: Case) -> None:
    z, _, known = batch(6, size=3, spread=1.0)
    y = np.random.default_rng(6).random(z.shape)
    mask, targets, loss = torch.tensor(known), torch.tensor(y), build(case)
    assert torch.autograd.gradcheck(lambda logits: loss(logits, targets, mask), torch.tensor(z, requires_grad=True))


@every_loss
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_positive_cells_are_pushed_up_and_negative_ones_down(case: Case, seed: int) -> None:
    z, y, _ = batch(seed, spread=1.0)
    y[0] = [1, 0, 1, 0, 0]  # a record that has both, so that every loss has something to learn
    _, grad = gradient(build(case), torch.tensor(z), torch.tensor(y))
    positive = torch.tensor(y) == 1
    assert (grad[positive] <= 0).all()
    assert (grad[~positive] >= 0).all()
    assert (grad[0][positive[0]] < 0).all()
    assert (grad[0][~positive[0]] >= 0).all()
    assert grad[0][~positive[0]].any() or (torch.tensor(z)[0][~positive[0]] < -1).all()


@every_loss
def test_better_logits_cost_less(case: Case) -> None:
    _, y, _ = batch(7)
    costs = [value(case, slope * (2 * y - 1), y) for slope in (-3.0, 0.0, 3.0)]
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > costs[-1]


@every_loss
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_soft_targets_lead_from_the_one_hard_value_to_the_other(case: Case, seed: int) -> None:
    z, y, known = batch(seed)
    rng = np.random.default_rng(seed)
    b, k = int(rng.integers(len(z))), int(rng.integers(NUM_TAGS))
    known[b, k] = True
    y[b] = np.where(np.arange(NUM_TAGS) == (k + 1) % NUM_TAGS, 1.0, y[b])
    y[(b + 1) % len(z), k] = 1.0  # two_way: the record and the tag count as positive whatever the soft cell is
    known[b, (k + 1) % NUM_TAGS] = known[(b + 1) % len(z), k] = True

    def at(target: float) -> float:
        soft = y.copy()
        soft[b, k] = target
        return value(case, z, soft, known)

    low, high = at(0.0), at(1.0)
    if case.cellwise:
        assert at(0.3) == pytest.approx(0.7 * low + 0.3 * high, rel=1e-5, abs=1e-9)
    # Near 0 and 1 the value is near the published one: no jump between hard and nearly hard.
    scale = 1e-3 * (1 + abs(low) + abs(high))
    assert at(1e-12) == pytest.approx(low, abs=scale)
    assert at(1 - 1e-12) == pytest.approx(high, abs=scale)


@every_loss
def test_gradient_follows_the_soft_target(case: Case) -> None:
    high = torch.arange(4 * NUM_TAGS).reshape(4, NUM_TAGS) % 2 == 0
    y = torch.where(high, 0.98, 0.02)
    _, grad = gradient(build(case), torch.where(high, -1.0, 1.0), y)
    assert (grad[high] < 0).all()
    assert (grad[~high] > 0).all()


@every_loss
def test_order_of_records_does_not_matter(case: Case) -> None:
    z, y, known = batch(8)
    order = np.random.default_rng(8).permutation(len(z))
    assert value(case, z[order], y[order], known[order]) == pytest.approx(value(case, z, y, known), rel=1e-6)


@every_loss
def test_order_of_tags_does_not_matter(case: Case) -> None:
    z, y, known = (torch.tensor(array) for array in batch(9))
    order = torch.tensor([3, 0, 4, 1, 2])
    permuted = make_loss(case.config, POSITIVES_K[order.numpy()], NUM_RECORDS)
    there = permuted(z[:, order], y[:, order], known[:, order])
    torch.testing.assert_close(there, build(case)(z, y, known), rtol=1e-6, atol=0)


@every_loss
@pytest.mark.parametrize("positives", [[0, 0, 0, 0, 0], [0, 5, 1, 200, 199]], ids=["none", "none_and_all"])
def test_tags_that_no_or_every_training_record_bears_are_finite(case: Case, positives: list[int]) -> None:
    loss = make_loss(case.config, torch.tensor(positives), NUM_RECORDS)
    z, y, _ = batch(10)
    for targets in (y, np.zeros_like(y), np.ones_like(y)):
        result, grad = gradient(loss, torch.tensor(z), torch.tensor(targets))
        assert torch.isfinite(result)
        assert torch.isfinite(grad).all()


@every_loss
def test_one_record_with_one_tag(case: Case) -> None:
    loss = make_loss(case.config, np.array([1]), 1)
    for target in (0.0, 1.0):
        result, grad = gradient(loss, torch.zeros(1, 1), torch.full((1, 1), target))
        assert torch.isfinite(result)
        assert torch.isfinite(grad).all()


@every_loss
def test_wrong_shapes_are_refused(case: Case) -> None:
    z, y, _ = (torch.tensor(array) for array in batch(11))
    with pytest.raises(ValueError, match="targets: expected the shape of the logits"):
        build(case)(z, y[:1])
    with pytest.raises(ValueError, match="known: expected the shape of the logits"):
        build(case)(z, y, torch.ones(NUM_TAGS, dtype=torch.bool))


@every_loss
def test_it_trains_nothing_of_its_own_and_saves_nothing(case: Case) -> None:
    loss = build(case)
    assert not list(loss.parameters())
    assert not loss.state_dict()


@every_loss
def test_its_arrays_move_with_the_device(case: Case) -> None:
    arrays: dict[str, Any] = dict(build(case).to("meta").named_buffers())
    assert all(array.device.type == "meta" for array in arrays.values())
