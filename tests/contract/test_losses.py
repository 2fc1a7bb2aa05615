"""What every loss promises; `test_published_losses.py` holds their values. B records in a batch, K tags."""

from __future__ import annotations

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


CONFIGS: dict[str, LossConfig] = {
    "bce": BCEConfig("bce"),
    "inverse": WeightedBCEConfig("weighted_bce", "inverse", None, 50.0),
    "sqrt_inverse": WeightedBCEConfig("weighted_bce", "sqrt_inverse", None, 50.0),
    "effective_number": WeightedBCEConfig("weighted_bce", "effective_number", 0.99, 50.0),
    "count": WeightedBCEConfig("weighted_bce", "count", None, 50.0),
    "focal": FocalConfig("focal", 2.0, None),
    "focal_flat": FocalConfig("focal", 0.5, 0.25),
    "asl": AsymmetricConfig("asl", 0.0, 4.0, 0.05),
    "asl_flat": AsymmetricConfig("asl", 1.0, 0.5, 0.2),
    "asl_unclipped": AsymmetricConfig("asl", 1.0, 2.0, 0.0),
    "distribution_balanced": DistributionBalancedConfig(
        name="distribution_balanced",
        gamma=2.0,
        negative_scale=2.0,
        bias_shift=0.05,
        map_alpha=0.1,
        map_beta=10.0,
        map_mu=0.9,
    ),
    "class_balanced": ClassBalancedConfig(
        name="class_balanced", gamma=2.0, negative_scale=2.0, bias_shift=0.05, beta=None
    ),
    "class_balanced_flat": ClassBalancedConfig(
        name="class_balanced", gamma=0.5, negative_scale=3.0, bias_shift=0.2, beta=0.9
    ),
    "zlpr": ZLPRConfig("zlpr"),
    "two_way": TwoWayConfig("two_way", 4.0, 1.0),
    "two_way_even": TwoWayConfig("two_way", 1.0, 2.0),
}
COUPLED = (DistributionBalancedConfig, ZLPRConfig, TwoWayConfig)
"""Losses whose cells depend on each other; every other one is a mean of cells, each linear in its target."""
every_loss = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())


def build(config: LossConfig) -> Loss:
    return make_loss(config, POSITIVES_K, NUM_RECORDS)


def batch(seed: int, size: int = 6, spread: float = 2.0) -> tuple[Array, Array, Known]:
    rng = np.random.default_rng(seed)
    z = rng.normal(scale=spread, size=(size, NUM_TAGS))
    y = (rng.random((size, NUM_TAGS)) < 0.4).astype(np.float64)
    return z, y, rng.random((size, NUM_TAGS)) < 0.7


def value(config: LossConfig, z: Array, y: Array, known: Known | None = None) -> float:
    mask = None if known is None else torch.tensor(known)
    return float(build(config)(torch.tensor(z), torch.tensor(y), mask))


def gradient(loss: Loss, z: Tensor, y: Tensor, known: Tensor | None = None) -> tuple[Tensor, Tensor]:
    z = z.clone().requires_grad_()
    result = loss(z, y, known)
    (grad,) = torch.autograd.grad(result, z)
    return result.detach(), grad


def test_every_loss_that_can_be_configured_is_under_this_contract(repository: Path) -> None:
    names = {yaml.safe_load(path.read_text())["name"] for path in (repository / "conf" / "loss").glob("*.yaml")}
    assert names == {config.name for config in CONFIGS.values()}


@every_loss
def test_unknown_cells_may_hold_anything(config: LossConfig) -> None:
    z, y, known = (torch.tensor(array) for array in batch(1))
    clean, clean_grad = gradient(build(config), z, y, known)
    dirty_z, dirty_y = torch.where(known, z, torch.nan), torch.where(known, y, torch.nan)
    dirty, dirty_grad = gradient(build(config), dirty_z, dirty_y, known)
    assert dirty == clean
    assert torch.equal(dirty_grad, clean_grad)
    assert (clean_grad[~known] == 0).all()
    assert clean_grad[known].any()


@every_loss
def test_unknown_records_are_as_if_they_were_not_in_the_batch(config: LossConfig) -> None:
    z, y, _ = batch(2)
    known = np.ones_like(y, dtype=bool)
    known[[1, 4]] = False
    assert value(config, z, y, known) == pytest.approx(value(config, z[known[:, 0]], y[known[:, 0]]), rel=1e-6)


@every_loss
def test_all_known_is_the_default(config: LossConfig) -> None:
    z, y, known = batch(3)
    assert value(config, z, y) == value(config, z, y, np.ones_like(known))


@every_loss
def test_nothing_known_is_zero_with_zero_gradients(config: LossConfig) -> None:
    z, y, known = (torch.tensor(array) for array in batch(4))
    result, grad = gradient(build(config), z, y, torch.zeros_like(known))
    assert result == 0
    assert (grad == 0).all()


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extreme_logits_stay_finite(config: LossConfig, dtype: torch.dtype) -> None:
    for logit in (1e4, 88.0, 17.0, 0.0):
        for target in (0.0, 1.0, 0.3):
            z = torch.full((3, NUM_TAGS), logit, dtype=dtype)
            z[1] = -logit
            result, grad = gradient(build(config), z, torch.full((3, NUM_TAGS), target))
            assert torch.isfinite(result)
            assert result >= 0
            assert torch.isfinite(grad).all()


@every_loss
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(config: LossConfig, dtype: torch.dtype) -> None:
    z, y, known = (torch.tensor(array) for array in batch(5, size=50))
    z = z.to(dtype)
    half, half_grad = gradient(build(config), z, y.to(dtype), known)
    full, full_grad = gradient(build(config), z.float(), y.float(), known)
    assert half.dtype == torch.float32
    assert half == full
    assert half_grad.dtype == dtype
    torch.testing.assert_close(half_grad.float(), full_grad, rtol=1e-2, atol=1e-6)


@every_loss
def test_gradient_is_the_slope_of_the_value(config: LossConfig) -> None:
    z, _, known = batch(6, size=3, spread=1.0)
    y = np.random.default_rng(6).random(z.shape)
    mask, targets, loss = torch.tensor(known), torch.tensor(y), build(config)
    assert torch.autograd.gradcheck(lambda logits: loss(logits, targets, mask), torch.tensor(z, requires_grad=True))


@every_loss
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_positive_cells_are_pushed_up_and_negative_ones_down(config: LossConfig, seed: int) -> None:
    z, y, _ = batch(seed, spread=1.0)
    z[0], y[0] = 0, [1, 0, 1, 0, 0]  # undecided on a record that has both: every loss has something to learn
    _, grad = gradient(build(config), torch.tensor(z), torch.tensor(y))
    positive = torch.tensor(y) == 1
    assert (grad[positive] <= 0).all()
    assert (grad[~positive] >= 0).all()
    assert (grad[0] != 0).all()


@every_loss
def test_better_logits_cost_less(config: LossConfig) -> None:
    _, y, _ = batch(7)
    costs = [value(config, slope * (2 * y - 1), y) for slope in (-3.0, 0.0, 3.0)]
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > costs[-1]


@every_loss
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_soft_targets_lead_from_the_one_hard_value_to_the_other(config: LossConfig, seed: int) -> None:
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
        return value(config, z, soft, known)

    low, high = at(0.0), at(1.0)
    if not isinstance(config, COUPLED):
        assert at(0.3) == pytest.approx(0.7 * low + 0.3 * high, rel=1e-5, abs=1e-9)
    # Near 0 and 1 the value is near the published one: no jump between hard and nearly hard.
    scale = 1e-3 * (1 + abs(low) + abs(high))
    assert at(1e-12) == pytest.approx(low, abs=scale)
    assert at(1 - 1e-12) == pytest.approx(high, abs=scale)


@every_loss
def test_gradient_follows_the_soft_target(config: LossConfig) -> None:
    high = torch.arange(4 * NUM_TAGS).reshape(4, NUM_TAGS) % 2 == 0
    y = torch.where(high, 0.98, 0.02)
    _, grad = gradient(build(config), torch.where(high, -1.0, 1.0), y)
    assert (grad[high] < 0).all()
    assert (grad[~high] > 0).all()


@every_loss
def test_order_of_records_does_not_matter(config: LossConfig) -> None:
    z, y, known = batch(8)
    order = np.random.default_rng(8).permutation(len(z))
    assert value(config, z[order], y[order], known[order]) == pytest.approx(value(config, z, y, known), rel=1e-6)


@every_loss
def test_order_of_tags_does_not_matter(config: LossConfig) -> None:
    z, y, known = (torch.tensor(array) for array in batch(9))
    order = torch.tensor([3, 0, 4, 1, 2])
    permuted = make_loss(config, POSITIVES_K[order.numpy()], NUM_RECORDS)
    there = permuted(z[:, order], y[:, order], known[:, order])
    torch.testing.assert_close(there, build(config)(z, y, known), rtol=1e-6, atol=0)


@every_loss
@pytest.mark.parametrize("positives", [[0, 0, 0, 0, 0], [0, 5, 1, 200, 199]], ids=["none", "none_and_all"])
def test_tags_that_no_or_every_training_record_bears_are_finite(config: LossConfig, positives: list[int]) -> None:
    loss = make_loss(config, torch.tensor(positives), NUM_RECORDS)
    z, y, _ = batch(10)
    for targets in (y, np.zeros_like(y), np.ones_like(y)):
        result, grad = gradient(loss, torch.tensor(z), torch.tensor(targets))
        assert torch.isfinite(result)
        assert torch.isfinite(grad).all()


@every_loss
def test_one_record_with_one_tag(config: LossConfig) -> None:
    loss = make_loss(config, np.array([1]), 1)
    for target in (0.0, 1.0):
        result, grad = gradient(loss, torch.zeros(1, 1), torch.full((1, 1), target))
        assert torch.isfinite(result)
        assert torch.isfinite(grad).all()


@every_loss
def test_wrong_shapes_are_refused(config: LossConfig) -> None:
    z, y, _ = (torch.tensor(array) for array in batch(11))
    with pytest.raises(ValueError, match="targets: expected the shape of the logits"):
        build(config)(z, y[:1])
    with pytest.raises(ValueError, match="known: expected the shape of the logits"):
        build(config)(z, y, torch.ones(NUM_TAGS, dtype=torch.bool))


@every_loss
def test_it_trains_nothing_of_its_own_and_saves_nothing(config: LossConfig) -> None:
    loss = build(config)
    assert not list(loss.parameters())
    assert not loss.state_dict()


@every_loss
def test_its_arrays_move_with_the_device(config: LossConfig) -> None:
    arrays: dict[str, Any] = dict(build(config).to("meta").named_buffers())
    assert all(array.device.type == "meta" for array in arrays.values())
